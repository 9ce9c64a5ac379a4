"""How a pretended Fly.io takes what it is asked, and refuses it."""

from http import HTTPStatus
from typing import Any
from uuid import uuid4

import flask
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from prestage.stage.fly_config import Strict

type Answer = tuple[Any, HTTPStatus]


class RefusalError(Exception):
    """The request is refused, in Fly's shape of an error."""

    def __init__(self, status: HTTPStatus, error: str, code: str | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.body = {"error": error} | ({"status": code} if code else {})


def application(name: str) -> flask.Flask:
    """An application without views, whose errors and headers are Fly's."""
    app = flask.Flask(name, static_folder=None)
    app.after_request(_identify)
    app.register_error_handler(RefusalError, lambda error: (error.body, error.status))
    app.register_error_handler(ValidationError, _explain)
    app.register_error_handler(HTTPException, lambda error: ({"error": error.description}, error.code))
    return app


def read_body[B: Strict](shape: type[B]) -> B:
    """The request's body."""
    return shape.model_validate_json(flask.request.get_data())


def _explain(error: ValidationError) -> Answer:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return {"error": f"invalid_argument: {where}: {first['msg']}"}, HTTPStatus.BAD_REQUEST


def _identify(response: flask.Response) -> flask.Response:
    response.headers["fly-request-id"] = uuid4().hex
    return response
