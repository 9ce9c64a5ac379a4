"""What Lambda is told of functions beside what they are: whether they are fed, how often they may run, and to run.

An AWS endpoint for the operations that look at that and change it. What is changed is honoured: `Poller` feeds no
function whose mapping is disabled, and `Lambdas` invokes none that may not run. Other reservations are not looked at.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from prestage.stage.deployment import DeployedFunction
from prestage.stage.execution import InvocationError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_CONCURRENCY = "functions/<name>/concurrency"
_MAPPINGS = "/2015-03-31/event-source-mappings"
_MAPPING = f"{_MAPPINGS}/<name>"
_AT_ONCE = 1000
"""Executions that an account may have at once, unless it asks for more."""

type _Answer = tuple[Mapping[str, Any], HTTPStatus]


type Invoke = Callable[[str, Any], Any]
"""Runs a function, by its logical id, with an event."""


class LambdaSettings:
    """A WSGI application that answers for functions and for what feeds them, by their names and mappings' ids.

    Args:
        arn: gives a function's ARN, by its name.
    """

    def __init__(self, arn: Callable[[str], str]) -> None:
        self._arn = arn
        self._invokes: dict[str, Invoke] = {}
        self._functions: dict[str, DeployedFunction] = {}
        self._mapped: dict[str, DeployedFunction] = {}
        self._disabled: set[str] = set()
        self._reserved: dict[str, int] = {}
        self._operations: Mapping[str, Callable[[str, Request], _Answer]] = {
            "GetFunctionConfiguration": self._configuration,
            "GetFunctionConcurrency": self._concurrency,
            "PutFunctionConcurrency": self._put_concurrency,
            "DeleteFunctionConcurrency": self._delete_concurrency,
            "GetEventSourceMapping": self._mapping,
            "UpdateEventSourceMapping": self._update_mapping,
            "ListEventSourceMappings": self._mappings,
            "GetAccountSettings": self._account,
            "Invoke": self._invoke,
        }
        self._paths = Map(
            [
                _rule("GET", "/2015-03-31/functions/<name>/configuration", "GetFunctionConfiguration"),
                _rule("GET", f"/2019-09-30/{_CONCURRENCY}", "GetFunctionConcurrency"),
                _rule("PUT", f"/2017-10-31/{_CONCURRENCY}", "PutFunctionConcurrency"),
                _rule("DELETE", f"/2017-10-31/{_CONCURRENCY}", "DeleteFunctionConcurrency"),
                _rule("GET", _MAPPING, "GetEventSourceMapping"),
                _rule("PUT", _MAPPING, "UpdateEventSourceMapping"),
                _rule("GET", _MAPPINGS, "ListEventSourceMappings"),
                _rule("POST", "/2015-03-31/functions/<name>/invocations", "Invoke"),
                _rule("GET", "/2016-08-19/account-settings", "GetAccountSettings"),
            ]
        )

    def add(self, functions: Iterable[DeployedFunction]) -> None:
        """Know of these functions too."""
        for function in functions:
            self._functions[function.name] = function
            if function.mapping_id is not None:
                self._mapped[function.mapping_id] = function
            if function.reserved_concurrency is not None:
                self._reserved[function.name] = function.reserved_concurrency

    def run_with(self, invoke: Invoke, functions: Iterable[DeployedFunction]) -> None:
        """Have these functions run by that, where somebody invokes them."""
        self._invokes |= {function.name: invoke for function in functions}

    def may_run(self, function: DeployedFunction) -> bool:
        """Whether it may run at all."""
        return self._reserved.get(function.name) != 0

    def is_fed(self, function: DeployedFunction) -> bool:
        """Whether messages in its queue lead to it."""
        return self.may_run(function) and function.mapping_id not in self._disabled

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        try:
            operation, found = self._paths.bind_to_environ(environ).match()
            told, status = self._operations[operation](found.get("name", ""), Request(environ))
            answer = _answer(told, status)
        except (HTTPException, KeyError):
            error = {"x-amzn-errortype": "ResourceNotFoundException"}
            message = f"the stage's Lambda has nothing there: {', '.join(self._operations)} of what is deployed"
            answer = _answer({"Message": message}, HTTPStatus.NOT_FOUND, error)
        return answer(environ, start_response)

    def _configuration(self, name: str, _: Request) -> _Answer:
        found = self._functions[name]
        told = {"FunctionName": name, "Handler": found.handler, "Timeout": found.timeout, "MemorySize": found.memory_mb}
        return {**told, "State": "Active", "LastUpdateStatus": "Successful"}, HTTPStatus.OK

    def _concurrency(self, name: str, _: Request) -> _Answer:
        reserved = self._reserved.get(self._functions[name].name)
        return ({} if reserved is None else {"ReservedConcurrentExecutions": reserved}), HTTPStatus.OK

    def _put_concurrency(self, name: str, asked: Request) -> _Answer:
        self._reserved[self._functions[name].name] = int(json.loads(asked.data)["ReservedConcurrentExecutions"])
        return self._concurrency(name, asked)

    def _delete_concurrency(self, name: str, _: Request) -> _Answer:
        self._reserved.pop(self._functions[name].name, None)
        return {}, HTTPStatus.NO_CONTENT

    def _mapping(self, mapping_id: str, _: Request) -> _Answer:
        found = self._mapped[mapping_id]
        state = "Disabled" if mapping_id in self._disabled else "Enabled"
        told = {"UUID": mapping_id, "State": state, "EventSourceArn": found.queue_arn, "BatchSize": found.batch_size}
        how = {"FunctionResponseTypes": ["ReportBatchItemFailures"], "FunctionArn": self._arn(found.name)}
        most = found.maximum_concurrency
        return {**told, **how, **({"ScalingConfig": {"MaximumConcurrency": most}} if most else {})}, HTTPStatus.OK

    def _update_mapping(self, mapping_id: str, asked: Request) -> _Answer:
        wanted = json.loads(asked.data)
        if unknown := wanted.keys() - {"Enabled", "UUID"}:
            raise KeyError(*unknown)
        change = self._disabled.discard if wanted.get("Enabled", True) else self._disabled.add
        change(mapping_id)
        return self._mapping(mapping_id, asked)[0], HTTPStatus.ACCEPTED

    def _mappings(self, _: str, asked: Request) -> _Answer:
        """Those of a function, by its name, and of a queue, where either is named."""
        function, queue = asked.args.get("FunctionName"), asked.args.get("EventSourceArn")
        told = [
            self._mapping(mapping_id, asked)[0]
            for mapping_id, found in self._mapped.items()
            if function in {None, found.name} and queue in {None, found.queue_arn}
        ]
        return {"EventSourceMappings": told}, HTTPStatus.OK

    def _account(self, _name: str, _: Request) -> _Answer:
        left = _AT_ONCE - sum(self._reserved.values())
        return {
            "AccountLimit": {"ConcurrentExecutions": _AT_ONCE, "UnreservedConcurrentExecutions": left},
            "AccountUsage": {"FunctionCount": len(self._functions)},
        }, HTTPStatus.OK

    def _invoke(self, name: str, asked: Request) -> _Answer:
        """Run it before it is said that it will be, so that nothing is left to wait for; how it went is not told."""
        if asked.headers.get("X-Amz-Invocation-Type") != "Event":
            raise KeyError(name)
        with suppress(InvocationError):
            self._invokes[name](self._functions[name].logical_id, json.loads(asked.data or b"{}"))
        return {}, HTTPStatus.ACCEPTED


def _rule(method: str, path: str, operation: str) -> Rule:
    return Rule(path, methods=[method], endpoint=operation)


def _answer(told: Mapping[str, Any], status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Response:
    body = b"" if status == HTTPStatus.NO_CONTENT else json.dumps(told).encode()
    return Response(body, status, dict(headers or {}), content_type="application/json")
