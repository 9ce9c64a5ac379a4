"""GitHub's REST API: https://docs.github.com/en/rest. One attempt per call; trying again is the caller's."""

import re
from collections.abc import Container, Iterator, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

import httpx
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, RootModel, SecretStr, ValidationError

from choreography.clock import Clock

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
_REDIRECTS = frozenset({HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT})
_MOST_REDIRECTS = 3
_LIMIT_WORDS = re.compile(r"rate limit|abuse detection", re.IGNORECASE)
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_CREDENTIAL = re.compile(r"[!-~]+")
_MESSAGE_LENGTH = 300
_HIDDEN = "…"
_ODD = "an answer of another shape than GitHub promises"


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


class _Lenient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


def _absent_is[T](default: T) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


class _User(_Lenient):
    login: str = ""
    type: str = ""


class Comment(_Lenient):
    """A comment of an issue or a pull request."""

    id: int
    html_url: str
    body: Annotated[str, _absent_is("")] = ""
    user: Annotated[_User, _absent_is(_User())] = _User()

    @property
    def author_login(self) -> str:
        """Who wrote it; an App's login ends with `[bot]`. Empty for a deleted account."""
        return self.user.login

    @property
    def author_type(self) -> str:
        """`User` or `Bot`, among others. Empty for a deleted account."""
        return self.user.type


class Repository(_Lenient):
    """A repository, under the name that it has now."""

    id: int
    full_name: str


class InstallationToken(_Lenient):
    """A token of the App's installation, good until `expires_at`."""

    token: SecretStr
    expires_at: AwareDatetime


class _Installation(_Lenient):
    id: int


class _Comments(RootModel[tuple[Comment, ...]]):
    model_config = ConfigDict(hide_input_in_errors=True)


class _Problem(_Lenient):
    message: str = ""
    errors: tuple[str | dict[str, Any], ...] = ()


def build_http() -> httpx.Client:
    """A client with the time-out that GitHub needs. It follows no redirects: `GitHub` follows the ones it trusts."""
    # A proxy is not for what is on this machine.
    direct = {f"all://{host}": None for host in ("127.0.0.1", "localhost")}
    return httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, mounts=direct)


class GitHub:
    """The REST API, of github.com or of an enterprise's own server.

    Every method raises `GitHubUnavailableError` (no answer, 429, 5xx, or a 403 that is a rate limit) or
    `GitHubRefusedError`. Redirects of a renamed repository are followed where they stay on the API's own origin, so no
    credential ever goes elsewhere.

    Args:
        http: from `build_http`.
        api_url: such as `https://api.github.com`.
        clock: the time, against which GitHub says when a limit ends.
    """

    def __init__(self, http: httpx.Client, api_url: str, *, clock: Clock) -> None:
        self._http = http
        self._api_url = api_url.rstrip("/")
        self._clock = clock

    def repository_installation(self, jwt: SecretStr, full_name: str) -> int:
        """The id of the App's installation in the repository.

        Raises:
            GitHubNotFoundError: the App is not installed there.
        """
        answer = self._send("GET", f"{_repository(full_name)}/installation", jwt)
        return self._read(_Installation, answer).id

    def create_installation_token(
        self,
        jwt: SecretStr,
        installation_id: int,
        *,
        repository_id: int | None = None,
        repository_name: str | None = None,
        permissions: Mapping[str, str],
    ) -> InstallationToken:
        """A token for no more than the repository, by its id or its name without the owner, and the permissions."""
        body: dict[str, Any] = {"permissions": dict(permissions)}
        if repository_id is not None:
            body["repository_ids"] = [repository_id]
        if repository_name is not None:
            body["repositories"] = [repository_name]
        answer = self._send("POST", f"/app/installations/{installation_id}/access_tokens", jwt, body)
        return self._read(InstallationToken, answer)

    def repository(self, token: SecretStr, full_name: str) -> Repository:
        """The repository, whether that is its name or was."""
        return self._read(Repository, self._send("GET", _repository(full_name), token))

    def list_comments(self, token: SecretStr, full_name: str, number: int) -> Iterator[Comment]:
        """The comments of a pull request, oldest first. A page is asked for when it is come to."""
        url = f"{_repository(full_name)}/issues/{number}/comments?per_page=100"
        while url:
            answer = self._send("GET", url, token)
            yield from self._read(_Comments, answer).root
            url = self._next_page(answer)

    def create_comment(self, token: SecretStr, full_name: str, number: int, body: str) -> Comment:
        """Comment on a pull request. Asking twice gives two: after a lost answer, list first."""
        path = f"{_repository(full_name)}/issues/{number}/comments"
        return self._read(Comment, self._send("POST", path, token, {"body": body}))

    def update_comment(self, token: SecretStr, full_name: str, comment_id: int, body: str) -> Comment:
        """Replace what a comment says.

        Raises:
            GitHubNotFoundError: it was deleted.
        """
        path = f"{_repository(full_name)}/issues/comments/{comment_id}"
        return self._read(Comment, self._send("PATCH", path, token, {"body": body}))

    def archive_link(self, token: SecretStr, full_name: str, sha: str) -> str:
        """GitHub's link to the commit's `tar.gz`, for anyone who has it and for five minutes."""
        answer = self._send("GET", f"{_repository(full_name)}/tarball/{quote(sha, safe='')}", token, follow=_REDIRECTS)
        if answer.status_code != HTTPStatus.FOUND:
            self._expect(answer)
            raise self._refusal(answer, _ODD)
        location: str = answer.headers.get("Location", "")
        if not _is_trusted(location):
            raise self._refusal(answer, "the archive's location is no https URL")
        return location

    def _send(
        self,
        method: str,
        url: str,
        credential: SecretStr,
        body: Mapping[str, Any] | None = None,
        follow: Container[int] = _REDIRECTS | {HTTPStatus.FOUND},
    ) -> httpx.Response:
        """The answer to one request, after redirects with a status in `follow`. `url` may be a path of the API's."""
        headers = {**_HEADERS, "Authorization": _authorization(credential)}
        url = self._api_url + url if url.startswith("/") else url
        request = self._http.build_request(method, url, json=body, headers=headers)
        answer = self._attempt(request)
        for _ in range(_MOST_REDIRECTS):
            if answer.next_request is None or answer.status_code not in follow:
                break
            if answer.next_request.method != method or not self._is_own(answer.next_request.url):
                raise self._refusal(answer, "a redirect that is not followed")
            answer = self._attempt(answer.next_request)
        return answer

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
            raise self._refusal(answer, "the next page is not on GitHub's API")
        return str(url)

    def _read[T: BaseModel](self, shape: type[T], answer: httpx.Response) -> T:
        self._expect(answer)
        try:
            return shape.model_validate_json(answer.content)
        except ValidationError:
            raise self._refusal(answer, _ODD) from None  # it may quote a token

    def _expect(self, answer: httpx.Response) -> None:
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
        raise self._refusal(answer, _words(answer))

    def _refusal(self, answer: httpx.Response, message: str) -> GitHubRefusedError:
        kind = _KINDS.get(answer.status_code, GitHubRefusedError)
        sent = answer.request.headers.get("Authorization", "").removeprefix("Bearer ")
        message = message.replace(sent, _HIDDEN) if sent else message
        return kind(answer.status_code, message[:_MESSAGE_LENGTH], answer.headers.get("x-github-request-id"))

    def _asked_wait(self, answer: httpx.Response) -> timedelta | None:
        """See https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api."""
        seconds = _number(answer, "Retry-After")
        if seconds is None and _number(answer, "x-ratelimit-remaining") == 0:
            reset = _number(answer, "x-ratelimit-reset")
            seconds = None if reset is None else max(1, reset - int(self._clock().timestamp()))
        return None if seconds is None else min(timedelta(seconds=seconds), LONGEST_WAIT)


def _repository(full_name: str) -> str:
    """The API's path of the repository.

    Raises:
        GitHubNotFoundError: no repository can be called that, and in a path it would mean something else.
    """
    parts = full_name.split("/")
    if len(parts) != len(("owner", "name")) or not {"", ".", ".."}.isdisjoint(parts):
        raise GitHubNotFoundError(HTTPStatus.NOT_FOUND, "a repository is called owner/name")
    return "/repos/" + "/".join(quote(part, safe="") for part in parts)


def _authorization(credential: SecretStr) -> str:
    """The header's value.

    Raises:
        ValueError: no header can carry it; the text does not quote it.
    """
    value = credential.get_secret_value()
    if not _CREDENTIAL.fullmatch(value):
        raise ValueError("the credential for GitHub is empty or has characters that no header can carry")
    return f"Bearer {value}"


def _is_trusted(location: str) -> bool:
    try:
        url = httpx.URL(location)
    except httpx.InvalidURL:
        return False
    return not url.userinfo and ((url.scheme == "https" and url.host != "") or _is_loopback(url))


def _is_loopback(url: httpx.URL) -> bool:
    return url.scheme == "http" and url.host in _LOOPBACK


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
        problem = _Problem.model_validate_json(answer.content)
    except ValidationError:
        return answer.text.strip()
    details = [one if isinstance(one, str) else _detail(one) for one in problem.errors]
    return "; ".join(filter(None, [problem.message, *details])) or answer.text.strip()


def _detail(error: Mapping[str, Any]) -> str:
    parts = (error.get(name) for name in ("resource", "field", "code", "message"))
    return " ".join(part for part in parts if isinstance(part, str))
