"""CloudFormation, as far as the stage needs it: stacks that are there, and tell their outputs.

moto has more of it, and loads half of AWS for that.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4
from xml.sax.saxutils import escape

from werkzeug.wrappers import Request, Response

from prestage.stage.deployment import Resource

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/"

type _Asked = Mapping[str, str]


class _RefusedError(Exception):
    """CloudFormation would refuse it with this ValidationError."""


class Stacks:
    """A WSGI application that answers CreateStack, of a template with outputs alone, DescribeStacks, and for what the
    stage itself deployed ListStackResources and DescribeStackResource.

    Args:
        stack_id: gives a stack's ARN, by its name.
    """

    def __init__(self, stack_id: Callable[[str], str]) -> None:
        self._stack_id = stack_id
        self._stacks: dict[str, str] = {}
        self._resources: dict[str, dict[str, Resource]] = {}
        self._operations: Mapping[str, Callable[[_Asked], str]] = {
            "CreateStack": self._create,
            "DescribeStacks": self._describe,
            "DescribeStackResource": self._describe_resource,
            "ListStackResources": self._list_resources,
        }

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        asked = Request(environ).form.to_dict()
        try:
            answer = self._perform(asked)
        except _RefusedError as error:
            told = _element("Code", "ValidationError") + _element("Message", escape(str(error)))
            answer = _answer(HTTPStatus.BAD_REQUEST, "ErrorResponse", _element("Error", told))
        return answer(environ, start_response)

    def add(
        self,
        name: str,
        outputs: Mapping[str, str],
        parameters: Mapping[str, str] | None = None,
        resources: Iterable[Resource] = (),
    ) -> None:
        """Tell of a stack from now on."""
        self._resources[name] = {one.logical_id: one for one in resources}
        told = [
            _element("StackName", escape(name)),
            _element("StackId", escape(self._stack_id(name))),
            _element("CreationTime", datetime.now(UTC).isoformat()),
            _element("StackStatus", "CREATE_COMPLETE"),
            _members("Parameters", [_parameter(*one) for one in (parameters or {}).items()]),
            _members("Outputs", [_output(*output) for output in outputs.items()]),
        ]
        self._stacks[name] = "".join(told)

    def _perform(self, asked: _Asked) -> Response:
        action = asked.get("Action", "")
        if action not in self._operations:
            raise _RefusedError(f"the stage's CloudFormation does no {action}: {', '.join(self._operations)}")
        result = _element(f"{action}Result", self._operations[action](asked))
        return _answer(HTTPStatus.OK, f"{action}Response", result)

    def _create(self, asked: _Asked) -> str:
        name = asked["StackName"]
        declared = json.loads(asked["TemplateBody"])["Outputs"]
        self.add(name, {output: str(one["Value"]) for output, one in declared.items()})
        return _element("StackId", escape(self._stack_id(name)))

    def _describe(self, asked: _Asked) -> str:
        name = asked.get("StackName")
        if name is not None and name not in self._stacks:
            raise _RefusedError(f"Stack with id {name} does not exist")
        return _members("Stacks", list(self._stacks.values()) if name is None else [self._stacks[name]])

    def _list_resources(self, asked: _Asked) -> str:
        return _members("StackResourceSummaries", [_resource(one) for one in self._of(asked["StackName"]).values()])

    def _describe_resource(self, asked: _Asked) -> str:
        name, logical_id = asked["StackName"], asked["LogicalResourceId"]
        found = self._of(name).get(logical_id)
        if found is None:
            raise _RefusedError(f"Resource {logical_id} does not exist for stack {name}")
        return _element("StackResourceDetail", _resource(found))

    def _of(self, name: str) -> Mapping[str, Resource]:
        if name not in self._resources:
            raise _RefusedError(f"Stack with id {name} does not exist")
        return self._resources[name]


def _resource(one: Resource) -> str:
    return "".join(
        [
            _element("LogicalResourceId", one.logical_id),
            _element("PhysicalResourceId", escape(one.ref)),
            _element("ResourceType", one.type),
            _element("ResourceStatus", "CREATE_COMPLETE"),
            _element("LastUpdatedTimestamp", datetime.now(UTC).isoformat()),
        ]
    )


def _parameter(name: str, value: str) -> str:
    return _element("ParameterKey", escape(name)) + _element("ParameterValue", escape(value))


def _output(name: str, value: str) -> str:
    return _element("OutputKey", escape(name)) + _element("OutputValue", escape(value))


def _members(name: str, members: list[str]) -> str:
    return _element(name, "".join(_element("member", member) for member in members))


def _element(name: str, inner: str) -> str:
    return f"<{name}>{inner}</{name}>"


def _answer(status: HTTPStatus, name: str, inner: str) -> Response:
    metadata = _element("RequestId", str(uuid4()))
    metadata = metadata if status.is_client_error else _element("ResponseMetadata", metadata)
    return Response(f'<{name} xmlns="{_NAMESPACE}">{inner}{metadata}</{name}>', status, mimetype="text/xml")
