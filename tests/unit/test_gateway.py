"""The stage's API Gateway: requests become events of payload format 2.0, and answers responses."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from prestage.stage import gateway
from prestage.stage.deployment import Route
from prestage.stage.serve import Server
from prestage.stage.template import TemplateError

NOW = datetime(2026, 11, 24, 9, 5, 7, 123_000, tzinfo=UTC)
ROUTES = [
    Route("POST", "/webhooks/github", "Ingress"),
    Route("GET", "/source/{capability}", "Source"),
    Route("GET", "/apps/{app}/pulls/{number}", "Pulls"),
    Route("GET", "/apps/{app}/pulls/latest", "Latest"),
    Route("GET", "/", "Root"),
]
INTERNAL = {"message": "Internal Server Error"}


@dataclass
class Functions:
    """What was invoked, and what they answer."""

    invoked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    answer: Callable[[], Any] = field(default=lambda: {"statusCode": 200})

    def invoke(self, logical_id: str, event: Mapping[str, Any]) -> Any:
        self.invoked.append((logical_id, event))
        return self.answer()

    @property
    def event(self) -> Mapping[str, Any]:
        [(_, event)] = self.invoked
        return event


@pytest.fixture
def functions() -> Functions:
    return Functions()


@pytest.fixture
def client(functions: Functions) -> Iterator[httpx.Client]:
    application = gateway.application(ROUTES, functions.invoke, clock=lambda: NOW)
    with Server(application) as server, httpx.Client(base_url=server.url, trust_env=False) as found:
        yield found


# ---- Events


def test_a_request_becomes_an_event(client: httpx.Client, functions: Functions) -> None:
    body = json.dumps({"action": "opened"})
    answer = client.post(
        "/webhooks/github?a=1&b=%C3%BC&a=2&c=",
        content=body,
        headers=[
            ("Content-Type", "application/json; charset=utf-8"),
            ("X-Hub-Signature-256", "sha256=0"),
            ("X-Twice", "one"),
            ("X-Twice", "two"),
            ("Cookie", "first=1; second=2"),
            ("User-Agent", "GitHub-Hookshot/1"),
        ],
    )
    assert answer.status_code == 200
    event = functions.event
    assert functions.invoked[0][0] == "Ingress"
    assert event.keys() == {
        *("version", "routeKey", "rawPath", "rawQueryString", "headers", "cookies", "queryStringParameters"),
        *("requestContext", "body", "isBase64Encoded"),
    }
    assert event["version"] == "2.0"
    assert event["routeKey"] == "POST /webhooks/github"
    assert event["rawPath"] == "/webhooks/github"
    assert event["rawQueryString"] == "a=1&b=%C3%BC&a=2&c="
    assert event["queryStringParameters"] == {"a": "1,2", "b": "ü", "c": ""}
    assert event["cookies"] == ["first=1", "second=2"]
    assert "cookie" not in event["headers"]
    assert event["headers"]["x-hub-signature-256"] == "sha256=0"
    assert event["headers"]["x-twice"] == "one,two"
    assert event["headers"]["host"] == f"127.0.0.1:{client.base_url.port}"
    assert event["headers"]["content-length"] == str(len(body))
    assert event["headers"]["content-type"] == "application/json; charset=utf-8"
    assert (event["body"], event["isBase64Encoded"]) == (body, False)


def test_an_event_tells_about_its_request(client: httpx.Client, functions: Functions) -> None:
    client.post("/webhooks/github", headers={"User-Agent": "GitHub-Hookshot/1"})
    context = dict(functions.event["requestContext"])
    assert len(context.pop("requestId")) == 36
    assert context == {
        "accountId": "123456789012",
        "apiId": "stage",
        "domainName": f"127.0.0.1:{client.base_url.port}",
        "domainPrefix": "127",
        "http": {
            "method": "POST",
            "path": "/webhooks/github",
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": "GitHub-Hookshot/1",
        },
        "routeKey": "POST /webhooks/github",
        "stage": "$default",
        "time": "24/Nov/2026:09:05:07 +0000",
        "timeEpoch": 1795511107123,
    }


def test_what_a_request_has_not_is_not_in_its_event(client: httpx.Client, functions: Functions) -> None:
    client.get("/")
    assert not functions.event.keys() & {"body", "cookies", "queryStringParameters", "pathParameters"}
    assert (functions.event["rawPath"], functions.event["rawQueryString"]) == ("/", "")


@pytest.mark.parametrize(
    ("content_type", "body", "is_text"),
    [
        ("application/json", b'{"a": "\xc3\xbc"}', True),
        ("Application/JSON; charset=utf-8", b"{}", True),
        ("text/plain", b"a", True),
        ("application/xml", b"<a/>", True),
        ("application/javascript", b"1", True),
        ("application/octet-stream", b"a", False),
        ("application/x-www-form-urlencoded", b"payload=%7B%7D", False),
        ("application/vnd.api+json", b"{}", False),
        (None, b"{}", False),
        ("application/json", b"\xff\xfe", False),
    ],
)
def test_a_body_that_is_not_known_as_text_is_handed_on_in_base64(
    client: httpx.Client, functions: Functions, content_type: str | None, body: bytes, is_text: bool
) -> None:
    client.post("/webhooks/github", content=body, headers={"Content-Type": content_type} if content_type else {})
    event = functions.event
    assert event["isBase64Encoded"] is not is_text
    assert (event["body"].encode() if is_text else base64.b64decode(event["body"])) == body


def test_a_body_may_come_in_chunks(client: httpx.Client, functions: Functions) -> None:
    client.post("/webhooks/github", content=iter([b"one ", b"two"]), headers={"Content-Type": "text/plain"})
    assert functions.event["body"] == "one two"


def test_a_body_has_ten_megabytes_at_most(client: httpx.Client, functions: Functions) -> None:
    body = b"x" * gateway.MAX_BODY_BYTES
    too_large = client.post("/webhooks/github", content=body + b"x")
    assert (too_large.status_code, too_large.json()) == (413, {"message": "Request Entity Too Large"})
    assert functions.invoked == []
    assert client.post("/webhooks/github", content=body).status_code == 200
    assert len(base64.b64decode(functions.event["body"])) == gateway.MAX_BODY_BYTES


# ---- Routes


@pytest.mark.parametrize(
    ("path", "function", "parameters"),
    [
        ("/source/abc-_.~", "Source", {"capability": "abc-_.~"}),
        ("/source/a%2Fb%20c", "Source", {"capability": "a/b c"}),
        ("/source/abc?capability=x", "Source", {"capability": "abc"}),
        ("/apps/shop/pulls/7", "Pulls", {"app": "shop", "number": "7"}),
        ("/apps/shop/pulls/latest", "Latest", {"app": "shop"}),
    ],
)
def test_a_path_parameter_is_one_segment(
    client: httpx.Client, functions: Functions, path: str, function: str, parameters: dict[str, str]
) -> None:
    client.get(path)
    assert functions.invoked[0][0] == function
    assert functions.event["pathParameters"] == parameters
    assert functions.event["rawPath"] == path.partition("?")[0]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/webhooks/github"),
        ("POST", "/webhooks/github/"),
        ("POST", "/webhooks"),
        ("POST", "/Webhooks/github"),
        ("GET", "/source/"),
        ("GET", "/source"),
        ("GET", "/source/a/b"),
        ("HEAD", "/source/a"),
        ("GET", "/apps//pulls/7"),
    ],
)
def test_no_route_is_not_found(client: httpx.Client, functions: Functions, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 404
    assert method == "HEAD" or answer.json() == {"message": "Not Found"}
    assert functions.invoked == []


@pytest.mark.parametrize(
    "route",
    [
        Route("ANY", "/", "F"),
        Route("X-AMAZON-APIGATEWAY-ANY-METHOD", "/", "F"),
        Route("GET", "$default", "F"),
        Route("GET", "/files/{path+}", "F"),
        Route("GET", "/files/v{version}", "F"),
    ],
)
def test_a_kind_of_route_that_is_not_known_is_refused(functions: Functions, route: Route) -> None:
    with pytest.raises(TemplateError, match="no route of this kind"):
        gateway.application([route], functions.invoke)


# ---- Answers


def test_an_answer_becomes_a_response(client: httpx.Client, functions: Functions) -> None:
    functions.answer = lambda: {
        "statusCode": 202,
        "headers": {"content-type": "application/json", "X-Count": 3, "X-On": True, "Transfer-Encoding": "chunked"},
        "cookies": ["a=1; HttpOnly", "b=2"],
        "body": '{"message": "ü"}',
    }
    answer = client.get("/")
    assert answer.status_code == 202
    assert answer.json() == {"message": "ü"}
    assert answer.headers["content-type"] == "application/json"
    assert (answer.headers["x-count"], answer.headers["x-on"]) == ("3", "true")
    assert answer.headers.get_list("set-cookie") == ["a=1; HttpOnly", "b=2"]


def test_a_binary_answer_comes_in_base64(client: httpx.Client, functions: Functions) -> None:
    body = base64.b64encode(b"\x00\xff").decode()
    functions.answer = lambda: {"statusCode": 200, "body": body, "isBase64Encoded": True}
    assert client.get("/").content == b"\x00\xff"


def test_an_answer_without_body_or_type_is_empty_text(client: httpx.Client, functions: Functions) -> None:
    functions.answer = lambda: {"statusCode": "302", "headers": {"location": "https://example.org/"}, "body": None}
    answer = client.get("/")
    assert (answer.status_code, answer.content) == (302, b"")
    assert answer.headers["location"] == "https://example.org/"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "answered",
    [
        None,
        "text",
        {},
        {"body": "{}"},
        {"errorMessage": "planted-secret"},
        {"statusCode": None},
        {"statusCode": "fine"},
        {"statusCode": 9},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "body": "Y*Q==", "isBase64Encoded": True},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"x-split": "a\r\nset-cookie: b"}},
    ],
)
def test_an_answer_in_another_format_is_an_internal_error(
    client: httpx.Client, functions: Functions, answered: Any
) -> None:
    functions.answer = lambda: answered
    answer = client.get("/")
    assert (answer.status_code, answer.json()) == (500, INTERNAL)


def test_a_function_that_fails_is_an_internal_error_and_nothing_of_it_is_told(
    client: httpx.Client, functions: Functions, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Any:
        raise LookupError("planted-secret")

    functions.answer = fail
    answer = client.get("/")
    assert (answer.status_code, answer.json()) == (500, INTERNAL)
    assert answer.headers["content-type"] == "application/json"
    assert "LookupError" in caplog.text
    assert "planted-secret" not in caplog.text
