"""The SAM template as CloudFormation sees it. It is apart from prestage/stage/template.py as SAM is slow to import."""

import copy
import logging
from collections.abc import Mapping

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from prestage.stage.template import Template

_PACKED = "s3://stage/services"
"""SAM translates packed functions only. The stage never looks inside the package."""


def translate(template: Template, parameters: Mapping[str, str], session: boto3.Session) -> Template:
    """The CloudFormation template that SAM makes of `template`, in the region of `session`. Nothing is asked of AWS.

    Raises:
        samtranslator.public.exceptions.InvalidDocumentException: SAM refuses it.
    """
    logging.getLogger("samtranslator.metrics").setLevel(logging.ERROR)  # it complains that nobody collects its metrics
    sam = copy.deepcopy(template)
    for resource in sam["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = _PACKED
    translated: Template = Translator({}, Parser(), boto_session=session).translate(sam, dict(parameters))
    return translated
