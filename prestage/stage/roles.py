"""What the functions' roles let them do, held against what they ask moto for, which itself asks for no rights.

Only the identity's policy is looked at, and only for what functions use: another service, operation or condition is
refused until it is added here. What a role lets state on the bus is the bus's to know.
"""

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BytesIO
from itertools import product
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

from prestage.stage.aws_calls import Call, signed
from prestage.stage.template import TemplateError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

type Context = Mapping[str, Sequence[str]]
"""What conditions may look at: values by condition key."""

type _Condition = Callable[[Context], bool]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wish:
    """One thing that a request asks for: the IAM action, the resource's ARN, and what conditions may look at."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)


@dataclass(frozen=True, order=True)
class Grant:
    """The least that a role lets be done: an action on a resource, for one value of a condition where there is one.

    `resource` is the logical id, or the kind of what is no resource of the stack; `limit` is a condition's key and
    one of the values that it may have, or empty. A statement is as many grants as it can be split into.
    """

    role: str
    action: str
    resource: str
    limit: str = ""

    def __str__(self) -> str:
        """In words."""
        return f"{self.role}: {self.action} on {self.resource}" + (f" for {self.limit}" if self.limit else "")


class Role:
    """A role's own policy, and what of it was used.

    Args:
        name: of the role.
        statements: of its policy, without intrinsic functions.
        names: logical ids by ARN.

    Raises:
        TemplateError: there is something in it that is not known here.
    """

    def __init__(
        self, name: str, statements: Iterable[Mapping[str, Any]], names: Mapping[str, str] | None = None
    ) -> None:
        self._name = name
        self._names = names or {}
        self._statements = [Statement.of(name, statement) for statement in statements]
        self.used: set[Grant] = set()
        """What was asked for and allowed."""

    @property
    def grants(self) -> set[Grant]:
        """All that it lets be done."""
        return {self._grant(*cell) for statement in self._statements for cell in statement.cells()}

    def allows(self, wish: Wish) -> bool:
        """Whether it lets that be done."""
        return any(statement.allows(wish) for statement in self._statements)

    def use(self, wish: Wish) -> None:
        """Keep what let that be done."""
        for statement in self._statements:
            if statement.allows(wish):
                self.used.update(self._grant(*cell) for cell in statement.cells(wish))

    def _grant(self, action: str, resource: str, limit: str) -> Grant:
        # An ARN that is not the stack's own ends in an id that is another one on each stage.
        return Grant(self._name, action, self._names.get(resource) or resource.rpartition("/")[0] or resource, limit)


@dataclass(frozen=True)
class Statement:
    """A statement that allows something; `limits` are the values of its conditions, by their keys."""

    actions: frozenset[str]
    resources: frozenset[str]
    conditions: tuple[_Condition, ...]
    limits: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, role: str, statement: Mapping[str, Any]) -> "Statement":
        """It as policies write it.

        Raises:
            TemplateError: there is something in it that is not known here.
        """
        unknown = statement.keys() - {"Effect", "Action", "Resource", "Condition"}
        operators = statement.get("Condition", {})
        unknown |= {operator for operator in operators if operator not in _OPERATORS}
        if unknown or statement["Effect"] != "Allow":
            told = ", ".join(sorted(unknown)) or statement["Effect"]
            raise TemplateError(f"the stage knows no {told} in a policy ({role}): add it in prestage/stage/roles.py")
        conditions = [
            _OPERATORS[operator](key, listed(wanted))
            for operator, tests in operators.items()
            for key, wanted in tests.items()
        ]
        limits = {
            key: listed(wanted)
            for operator, tests in operators.items()
            if operator not in _OF_PRESENCE
            for key, wanted in tests.items()
        }
        actions, resources = listed(statement["Action"]), listed(statement["Resource"])
        return cls(frozenset(actions), frozenset(resources), tuple(conditions), limits)

    def allows(self, wish: Wish) -> bool:
        """Whether it lets that be done."""
        about = wish.action in self.actions and any(_like(resource, wish.resource) for resource in self.resources)
        return about and all(holds(wish.context) for holds in self.conditions)

    def cells(self, wish: Wish | None = None) -> Iterator[tuple[str, str, str]]:
        """Each action, resource and limit that it can be split into; those alone that a wish needs, where one is given.

        Limits of one condition are alternatives, those of several are looked at one by one.
        """
        actions = self.actions if wish is None else self.actions & {wish.action}
        resources = [one for one in self.resources if wish is None or _like(one, wish.resource)]
        limits = [
            f"{key} {pattern}"
            for key, patterns in self.limits.items()
            for pattern in patterns
            if wish is None or any(_like(pattern, value) for value in wish.context.get(key, ()))
        ]
        yield from product(actions, resources, limits if self.limits else [""])


def listed(value: Any) -> list[Any]:
    """What policies may write as a list or, where there is one, without."""
    return value if isinstance(value, list) else [value]


def _like(pattern: str, value: str) -> bool:
    """Whether a value is like a policy's pattern: `*` is anything, `?` one character."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, value, re.DOTALL) is not None


# ---- Conditions: a key that a request says nothing of has no values


def _all_like(key: str, wanted: Sequence[str]) -> _Condition:
    return lambda context: all(any(_like(one, value) for one in wanted) for value in context.get(key, ()))


def _all_equal(key: str, wanted: Sequence[str]) -> _Condition:
    return lambda context: {*context.get(key, ())} <= {*wanted}


def _equals(key: str, wanted: Sequence[str]) -> _Condition:
    return lambda context: any(value in wanted for value in context.get(key, ()))


def _equals_if_there(key: str, wanted: Sequence[str]) -> _Condition:
    return lambda context: key not in context or _equals(key, wanted)(context)


def _null(key: str, wanted: Sequence[str]) -> _Condition:
    return lambda context: (key not in context) == (wanted == ["true"])


_OPERATORS: Mapping[str, Callable[[str, Sequence[str]], _Condition]] = {
    "ForAllValues:StringEquals": _all_equal,
    "ForAllValues:StringLike": _all_like,
    "Null": _null,
    "StringEquals": _equals,
    "StringEqualsIfExists": _equals_if_there,
}

_OF_PRESENCE = frozenset({"Null"})
"""They say that a key has to be there, and let nothing be done for a value of it."""


# ---- What requests ask for


@dataclass(frozen=True)
class Asked:
    """A request: the operation and its JSON body; `arn` makes an ARN of a service and the rest.

    Where the protocol is REST and XML, the operation is the HTTP method and path, and the body is left as it is.
    """

    operation: str
    body: Any
    arn: Callable[[str, str], str]


_TRANSACTED = {"Put": "PutItem", "Delete": "DeleteItem", "Update": "UpdateItem", "ConditionCheck": "ConditionCheckItem"}
_OF_ONE_ITEM = frozenset({"GetItem", "PutItem", "UpdateItem", "DeleteItem"})


def _dynamodb(asked: Asked) -> Iterator[Wish]:
    if asked.operation == "TransactWriteItems":
        for item in asked.body["TransactItems"]:
            for kind, write in item.items():
                yield _on_table(asked, _TRANSACTED[kind], write["TableName"], [_key(write)])
    elif asked.operation in _OF_ONE_ITEM:
        yield _on_table(asked, asked.operation, asked.body["TableName"], [_key(asked.body)])
    elif asked.operation == "Query":
        yield _on_table(asked, "Query", asked.body["TableName"], [_queried(asked.body)])
    elif asked.operation == "Scan":
        yield _on_table(asked, "Scan", asked.body["TableName"], [])
    else:
        raise _UnknownError


def _on_table(asked: Asked, action: str, table: str, keys: Sequence[str]) -> Wish:
    context = {"dynamodb:LeadingKeys": keys} if keys else {}
    return Wish(f"dynamodb:{action}", asked.arn("dynamodb", f"table/{table}"), context)


def _key(written: Mapping[str, Any]) -> str:
    key: str = (written.get("Item") or written["Key"])["pk"]["S"]
    return key


def _queried(body: Mapping[str, Any]) -> str:
    [name] = [placeholder for placeholder, name in body["ExpressionAttributeNames"].items() if name == "pk"]
    found = re.search(rf"{re.escape(name)} = (:\w+)", body["KeyConditionExpression"])
    if found is None:
        raise _UnknownError
    value: str = body["ExpressionAttributeValues"][found[1]]["S"]
    return value


def _kms(asked: Asked) -> Iterator[Wish]:
    given: Mapping[str, str] = asked.body.get("EncryptionContext", {})
    context = {f"kms:EncryptionContext:{key}": [value] for key, value in given.items()}
    keys = {"kms:EncryptionContextKeys": [*given]} if given else {}
    yield Wish(f"kms:{asked.operation}", asked.body["KeyId"], {**context, **keys})


def _secretsmanager(asked: Asked) -> Iterator[Wish]:
    yield Wish(f"secretsmanager:{asked.operation}", asked.body["SecretId"])


def _sqs(asked: Asked) -> Iterator[Wish]:
    yield Wish(f"sqs:{asked.operation}", asked.arn("sqs", asked.body["QueueUrl"].rpartition("/")[2]))


def _route53(asked: Asked) -> Iterator[Wish]:
    changed = re.fullmatch(r"POST /2013-04-01/hostedzone/([A-Z0-9]+)/rrset/?", asked.operation)
    looked = re.fullmatch(r"GET /2013-04-01/change/([A-Z0-9]+)", asked.operation)
    if changed:
        changes = {key: re.findall(rf"<{tag}>([^<]*)</{tag}>", asked.body.decode()) for key, tag in _CHANGES.items()}
        yield Wish("route53:ChangeResourceRecordSets", f"arn:aws:route53:::hostedzone/{changed[1]}", changes)
    elif looked:
        yield Wish("route53:GetChange", f"arn:aws:route53:::change/{looked[1]}")
    else:
        raise _UnknownError


_CHANGES = {
    "route53:ChangeResourceRecordSetsActions": "Action",
    "route53:ChangeResourceRecordSetsRecordTypes": "Type",
}

_READERS: Mapping[str, Callable[[Asked], Iterator[Wish]]] = {
    "dynamodb": _dynamodb,
    "kms": _kms,
    "route53": _route53,
    "secretsmanager": _secretsmanager,
    "sqs": _sqs,
}


class _UnknownError(Exception):
    """What is asked for is not known here."""


class Guarded:
    """moto, for functions with no more than their roles allow; for everybody else as it is.

    Args:
        application: moto.
        arn: makes an ARN of a service and the rest.
    """

    def __init__(self, application: "WSGIApplication", arn: Callable[[str, str], str]) -> None:
        self._application = application
        self._arn = arn
        self.roles: dict[str, Role] = {}
        """By access key id."""
        self.refused: list[str] = []
        """What was refused, in words."""

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        call = signed(environ)
        role = self.roles.get(call.access_key_id) if call else None
        if call is None or role is None:
            return self._application(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        asked = self._asked(call, environ, body)
        missing = self._missing(call, role, asked)
        if missing is None:
            return self._application(environ, start_response)
        told = f"{call.access_key_id} is not authorized to perform: {missing}"
        self.refused.append(told)
        logger.warning("%s: its role in the template does not allow it", told)
        return _refusal(call, told)(environ, start_response)

    def _asked(self, call: Call, environ: "WSGIEnvironment", body: bytes) -> Callable[[], Asked]:
        if call.service in _REST:
            return lambda: Asked(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}", body, self._arn)
        return lambda: Asked(call.action, json.loads(body), self._arn)

    def _missing(self, call: Call, role: Role, asked: Callable[[], Asked]) -> str | None:
        """What the role does not allow of it, None if it allows everything."""
        try:
            wishes = list(_READERS[call.service](asked()))
        except (KeyError, ValueError, _UnknownError):
            return f"{call.service}:{call.action}, or it is not known in prestage/stage/roles.py"
        refused = next((wish for wish in wishes if not role.allows(wish)), None)
        if refused is not None:
            return _tell(refused)
        for wish in wishes:
            role.use(wish)
        return None


_REST = frozenset({"route53"})


def _refusal(call: Call, told: str) -> Response:
    if call.service in _REST:
        error = (
            f"<ErrorResponse><Error><Code>AccessDenied</Code><Message>{escape(told)}</Message></Error></ErrorResponse>"
        )
        return Response(error, HTTPStatus.FORBIDDEN, mimetype="text/xml")
    error = json.dumps({"__type": "AccessDeniedException", "message": told})
    return Response(error, HTTPStatus.BAD_REQUEST, mimetype="application/x-amz-json-1.1")


def _tell(wish: Wish) -> str:
    keys = wish.context.get("dynamodb:LeadingKeys") or wish.context.get("kms:EncryptionContextKeys") or ()
    kinds = sorted({key.partition("#")[0] for key in keys})
    return f"{wish.action} on {wish.resource}" + (f" ({', '.join(kinds)})" if kinds else "")
