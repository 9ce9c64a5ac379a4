"""How GitHub's API is spoken to: one attempt per call, redirects that stay with GitHub, and what errors mean."""

import re
from collections.abc import Container, Iterator, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from choreography.clock import Clock
from github_app.answers import Page, Problem

TIMEOUT_SECONDS = 12.0
"""For one answer. GitHub gives up on a request of its own accord after ten seconds."""

LONGEST_WAIT = timedelta(hours=1)
"""No limit of GitHub's is counted over more than an hour."""

_OUTAGE = timedelta(seconds=10)
_LIMITED = timedelta(minutes=1)
"""What GitHub asks for after a secondary limit whose answer says nothing of time."""

_HEADERS = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
    "User-Agent": "prestage",
}
REDIRECTS = frozenset({HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT})
_MOST_REDIRECTS = 3
_LIMIT_WORDS = re.compile(r"rate limit|abuse detection", re.IGNORECASE)
_CREDENTIAL = re.compile(r"[!-~]+")
_MESSAGE_LENGTH = 300
_HIDDEN = "…"
ODD = "an answer of another shape than GitHub promises"


class GitHubUnavailableError(Exception):
    """GitHub did not do it now and may do it later; a change whose answer was lost may have happened.

    `after` is how long GitHub asks to be left alone, or a wait that suits the trouble where it does not say.
    """

    def __init__(self, message: str, after: timedelta) -> None:
        super().__init__(message)
        self.after = after


class GitHubRefusedError(Exception):
    """GitHub said no, and would again.

    `status` is HTTP's, `message` GitHub's words (at most 300 characters, without the credential that was sent),
    `request_id` what GitHub's support asks for, None if there was none.
    """

    def __init__(self, status: int, message: str, request_id: str | None = None) -> None:
        super().__init__(f"GitHub answered {status}: {message}")
        self.status = status
        self.message = message
        self.request_id = request_id


class GitHubNotFoundError(GitHubRefusedError):
    """It is not there, or the credential may not see that it is."""


class GitHubUnauthorizedError(GitHubRefusedError):
    """The credential is not accepted. A token just minted is not known everywhere at once."""


_KINDS: Mapping[int, type[GitHubRefusedError]] = {
    HTTPStatus.UNAUTHORIZED: GitHubUnauthorizedError,
    HTTPStatus.NOT_FOUND: GitHubNotFoundError,
}


def build_http() -> httpx.Client:
    """A client with the time-out that GitHub needs. It follows no redirects: `Connection` does where it trusts them."""
    # A proxy is not for what is on this machine.
    direct = {f"all://{host}": None for host in ("127.0.0.1", "localhost")}
    return httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, mounts=direct)


class Connection:
    """The API of github.com or of an enterprise's own server, for requests with a credential.

    Args:
        http: from `build_http`.
        api_url: such as `https://api.github.com`.
        clock: the time, against which GitHub says when a limit ends.
    """

    def __init__(self, http: httpx.Client, api_url: str, *, clock: Clock) -> None:
        self._http = http
        self._api_url = api_url.rstrip("/")
        self._clock = clock

    def send(
        self,
        method: str,
        url: str,
        credential: SecretStr | None,
        body: Mapping[str, Any] | None = None,
        follow: Container[int] = REDIRECTS | {HTTPStatus.FOUND},
    ) -> httpx.Response:
        """The answer to one request, after redirects with a status in `follow`. `url` may be a path of the API's.

        Without a credential only where the URL is one.
        """
        headers = {**_HEADERS, **({} if credential is None else {"Authorization": _authorization(credential)})}
        url = self._api_url + url if url.startswith("/") else url
        request = self._http.build_request(method, url, json=body, headers=headers)
        answer = self._attempt(request)
        for _ in range(_MOST_REDIRECTS):
            if answer.next_request is None or answer.status_code not in follow:
                break
            if answer.next_request.method != method or not self._is_own(answer.next_request.url):
                raise self.refusal(answer, "a redirect that is not followed")
            answer = self._attempt(answer.next_request)
        return answer

    def pages[T](self, page: type[Page[T]], url: str, credential: SecretStr) -> Iterator[T]:
        """What a list has, in GitHub's order. A page is asked for when it is come to, by GitHub's own link."""
        while url:
            answer = self.send("GET", url, credential)
            yield from self.read(page, answer).root
            url = self._next_page(answer)

    def read[T: BaseModel](self, shape: type[T], answer: httpx.Response) -> T:
        """What a success says.

        Raises:
            GitHubUnavailableError: it is none, and may be one later.
            GitHubRefusedError: it is none, or of another shape.
        """
        self.expect(answer)
        try:
            return shape.model_validate_json(answer.content)
        except ValidationError:
            raise self.refusal(answer, ODD) from None  # it may quote a token

    def expect(self, answer: httpx.Response) -> None:
        """Return if the answer is a success.

        Raises:
            GitHubUnavailableError: it may be one later.
            GitHubRefusedError: it won't.
        """
        status = answer.status_code
        if answer.is_success:
            return
        if answer.is_server_error:
            raise GitHubUnavailableError(f"GitHub answered {status}", self._asked_wait(answer) or _OUTAGE)
        if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.FORBIDDEN and _is_limit(answer)):
            message = f"GitHub answered {status}: a rate limit"
            raise GitHubUnavailableError(message, self._asked_wait(answer) or _LIMITED)
        raise self.refusal(answer, _words(answer))

    def refusal(self, answer: httpx.Response, message: str) -> GitHubRefusedError:
        """The error for an answer, without the credential that was sent."""
        kind = _KINDS.get(answer.status_code, GitHubRefusedError)
        sent = answer.request.headers.get("Authorization", "").removeprefix("Bearer ")
        message = message.replace(sent, _HIDDEN) if sent else message
        return kind(answer.status_code, message[:_MESSAGE_LENGTH], answer.headers.get("x-github-request-id"))

    def _attempt(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._http.send(request, follow_redirects=False)
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise GitHubUnavailableError(f"no answer from GitHub ({type(error).__name__})", _OUTAGE) from None
        except httpx.InvalidURL:
            raise GitHubRefusedError(HTTPStatus.FOUND, "a redirect to what is no URL") from None

    def _is_own(self, url: httpx.URL) -> bool:
        own = httpx.URL(self._api_url)
        return (url.scheme, url.host, url.port) == (own.scheme, own.host, own.port)

    def _next_page(self, answer: httpx.Response) -> str:
        linked = answer.links.get("next", {}).get("url")
        if linked is None:
            return ""
        url = answer.url.join(linked)
        if not self._is_own(url):
            raise self.refusal(answer, "the next page is not on GitHub's API")
        return str(url)

    def _asked_wait(self, answer: httpx.Response) -> timedelta | None:
        """See https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api."""
        seconds = _number(answer, "Retry-After")
        if seconds is None and _number(answer, "x-ratelimit-remaining") == 0:
            reset = _number(answer, "x-ratelimit-reset")
            seconds = None if reset is None else max(1, reset - int(self._clock().timestamp()))
        return None if seconds is None else min(timedelta(seconds=seconds), LONGEST_WAIT)


def _authorization(credential: SecretStr) -> str:
    """The header's value.

    Raises:
        ValueError: no header can carry it; the text does not quote it.
    """
    value = credential.get_secret_value()
    if not _CREDENTIAL.fullmatch(value):
        raise ValueError("the credential for GitHub is empty or has characters that no header can carry")
    return f"Bearer {value}"


def _is_limit(answer: httpx.Response) -> bool:
    """Whether a 403 is a rate limit and not a refusal."""
    if "Retry-After" in answer.headers or _number(answer, "x-ratelimit-remaining") == 0:
        return True
    return _LIMIT_WORDS.search(_words(answer)) is not None


def _number(answer: httpx.Response, header: str) -> int | None:
    text = answer.headers.get(header, "").strip()
    return int(text) if re.fullmatch(r"[0-9]{1,12}", text) else None


def _words(answer: httpx.Response) -> str:
    """What GitHub says, with the details of a validation that failed, which come as objects or as strings."""
    try:
        problem = Problem.model_validate_json(answer.content)
    except ValidationError:
        return answer.text.strip()
    details = [one if isinstance(one, str) else _detail(one) for one in problem.errors]
    return "; ".join(filter(None, [problem.message, *details])) or answer.text.strip()


def _detail(error: Mapping[str, Any]) -> str:
    parts = (error.get(name) for name in ("resource", "field", "code", "message"))
    return " ".join(part for part in parts if isinstance(part, str))
