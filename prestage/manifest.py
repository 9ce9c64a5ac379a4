"""Register a GitHub App from a manifest: a browser carries it to GitHub, and brings a code back to this machine.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest.
"""

import hmac
import json
import secrets
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, quote, urlsplit

from markupsafe import Markup

from prestage.github_administration import EVENTS, PERMISSIONS

LONGEST_NAME = 34
"""Characters of an App's name: https://docs.github.com/en/apps/creating-github-apps/registering-a-github-app."""

HOMEPAGE = "https://docs.github.com/en/apps"
"""What the App's page links to, until somebody writes another page in its settings: a manifest needs one."""

_PAGE = Markup(
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Prestage</title>'
    '<body style="font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 4em auto; padding: 0 1em">{}'
)
_FORM = Markup(
    "<h1>A GitHub App for Prestage</h1><p>GitHub shows what the App may do and hear, and asks for its name.</p>"
    '<form method="post" action="{action}"><input type="hidden" name="manifest" value="{manifest}">'
    "<button>Go to GitHub</button></form>"
)
_BACK = Markup("<h1>The App is registered</h1><p>Go on where you began: this page can be closed.</p>")
_NOT_OURS = Markup("<h1>Not the registration that was begun here</h1><p>Begin again: <code>prestage setup</code>.</p>")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


def manifest(name: str, *, webhook_url: str, redirect_url: str) -> dict[str, Any]:
    """What an App of Prestage's is: what it may do, what it hears, and where it is told."""
    return {
        "name": name,
        "url": HOMEPAGE,
        "description": "Gives pull requests a running copy of the application.",
        "public": False,
        "hook_attributes": {"url": webhook_url, "active": True},
        "redirect_url": redirect_url,
        "default_permissions": dict(PERMISSIONS),
        "default_events": list(EVENTS),
    }


class Handshake:
    """A page on this machine that leads to GitHub, and back; open from entering until leaving it.

    Its path is known to whoever is told `url` alone: what it holds would let others bring a code of theirs.

    Args:
        github: where people see GitHub, such as `https://github.com`.
        organization: whose the App will be; empty for the account of who is logged in.
        name: what it is to be called, until somebody chooses another name on GitHub's page.
        webhook_url: where webhooks go.
        port: where on 127.0.0.1; 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, github: str, organization: str, *, name: str, webhook_url: str, port: int = 0) -> None:
        self._state, self._page = secrets.token_urlsafe(24), f"/{secrets.token_urlsafe(24)}"
        self._came = threading.Event()
        self._code = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._hosts = [f"{name}:{self._server.server_port}" for name in ("127.0.0.1", "localhost")]
        origin = f"http://{self._hosts[0]}"
        self.url = f"{origin}{self._page}"
        owner = f"/organizations/{quote(organization, safe='')}" if organization else ""
        self._action = f"{github}{owner}/settings/apps/new?state={self._state}"
        self._manifest = json.dumps(manifest(name, webhook_url=webhook_url, redirect_url=f"{origin}/registered"))

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def code(self, seconds: float) -> str | None:
        """What GitHub sent the browser back with; None where it did not come in time."""
        return self._code if self._came.wait(seconds) else None

    def _answer(self, host: str, path: str) -> tuple[HTTPStatus, Markup]:
        asked = urlsplit(path)
        if host not in self._hosts:
            return HTTPStatus.MISDIRECTED_REQUEST, _NOT_OURS  # another site's name that leads here, in a browser
        if hmac.compare_digest(asked.path.encode(), self._page.encode()):
            return HTTPStatus.OK, _FORM.format(action=self._action, manifest=self._manifest)
        if asked.path != "/registered":
            return HTTPStatus.NOT_FOUND, _NOT_OURS
        said = parse_qs(asked.query)
        state, code = (said.get(name, [""])[0] for name in ("state", "code"))
        if self._came.is_set() or not code or not hmac.compare_digest(state.encode(), self._state.encode()):
            return HTTPStatus.BAD_REQUEST, _NOT_OURS
        self._code = code
        self._came.set()
        return HTTPStatus.OK, _BACK

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # http.server's name
                status, inside = answer(self.headers.get("Host", ""), self.path)
                page = _PAGE.format(inside).encode()
                self.send_response(status)
                for name, value in _headers(len(page)).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_: object) -> None:
                """A path may have a code in it."""

        return Handler


def _headers(length: int) -> Mapping[str, str]:
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Length": str(length),
        "Content-Security-Policy": _POLICY,
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
