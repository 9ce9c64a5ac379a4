"""EventBridge's schema registries, as far as the stage needs them: schemas that are there, and tell what is in them."""

import json
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote

from werkzeug.wrappers import Request, Response

from prestage.stage.deployment import Resource

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_FIRST_VERSION = "1"


class SchemaRegistry:
    """A WSGI application that answers DescribeSchema. `schemas` are contents by (registry, schema)."""

    def __init__(self) -> None:
        self.schemas: dict[tuple[str, str], str] = {}

    def add(self, resources: Sequence[Resource]) -> None:
        """Have the schemas that are among these resources."""
        for one in resources:
            if one.type == "AWS::EventSchemas::Schema":
                told = one.properties
                self.schemas[told["RegistryName"], told["SchemaName"]] = told["Content"]

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, asked: Request) -> Response:
        match unquote(asked.path).split("/"):
            case ["", "v1", "registries", "name", registry, "schemas", "name", name] if asked.method == "GET":
                content = self.schemas.get((registry, name))
            case _:
                content = None
        if content is None:
            told = {"Code": "NotFoundException", "Message": "the stage's registries have no such schema"}
            headers = {"x-amzn-errortype": "NotFoundException"}
            return Response(json.dumps(told), HTTPStatus.NOT_FOUND, headers, content_type="application/json")
        shown = {"SchemaName": name, "SchemaVersion": _FIRST_VERSION, "Type": "JSONSchemaDraft4", "Content": content}
        return Response(json.dumps(shown), HTTPStatus.OK, content_type="application/json")
