"""Sessions of boto3 that this machine's own AWS configuration has no say in."""

import os
from collections.abc import Mapping

import boto3
import botocore.session

CREDENTIALS: Mapping[str, str] = {"AWS_ACCESS_KEY_ID": "stage", "AWS_SECRET_ACCESS_KEY": "stage"}
"""Environment variables that let a client sign; moto takes any key."""


def local_session(region: str) -> boto3.Session:
    """One for the stage, in that region."""
    unset = (None, None, None, None)
    nowhere = (None, None, os.devnull, None)
    core = botocore.session.Session({"profile": unset, "config_file": nowhere, "credentials_file": nowhere})
    core.set_credentials(CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"])
    return boto3.Session(botocore_session=core, region_name=region)
