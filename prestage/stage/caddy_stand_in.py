"""Stands in for Caddy on a pretended machine: knows the Caddyfile that boot.sh writes, and no other.

A program of its own, which is run without this package: `hash-password` hashes a line of its input, and
`run --config FILE` asks for the password in front of an application.
"""

import base64
import hashlib
import hmac
import http.client
import os
import re
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CADDYFILE = re.compile(
    r"http://:(?P<port>\d+) \{\s*basic_auth \{\s*(?P<user>\S+) (?P<hash>\S+)\s*\}"
    r"\s*reverse_proxy 127\.0\.0\.1:(?P<behind>\d+) \{\s*header_up -Authorization\s*\}\s*\}"
)
_SALT = 16
_SECONDS = 30
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade"})


def hash_password(password: str, salt: bytes) -> str:
    """Not bcrypt, which the standard library does not have."""
    hashed = hashlib.scrypt(password.encode(), salt=salt, n=1024, r=8, p=1)
    return base64.urlsafe_b64encode(salt + hashed).decode()


class Handler(BaseHTTPRequestHandler):
    """Answers 401, or as the application does."""

    protocol_version = "HTTP/1.1"
    user = hashed = ""
    behind = 0

    def handle_one_request(self) -> None:
        """Whatever the method."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
        elif self._is_allowed():
            self._pass_on()
        else:
            self._answer(HTTPStatus.UNAUTHORIZED, [("WWW-Authenticate", 'Basic realm="restricted"')], b"")

    def _is_allowed(self) -> bool:
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except ValueError:
            return False
        salt = base64.urlsafe_b64decode(self.hashed)[:_SALT]
        good = hmac.compare_digest(hash_password(password, salt), self.hashed)
        return good and scheme.casefold() == "basic" and user == self.user

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.casefold() != "authorization"}
        connection = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=_SECONDS)
        try:
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            self._answer(answer.status, answer.getheaders(), answer.read())
        except OSError:
            self._answer(HTTPStatus.BAD_GATEWAY, [], b"")
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.casefold() not in _HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def main(arguments: list[str]) -> int:
    """The exit status."""
    if arguments[:1] == ["hash-password"]:
        sys.stdout.write(hash_password(sys.stdin.readline().rstrip("\n"), os.urandom(_SALT)) + "\n")
        return 0
    found = CADDYFILE.search(Path(arguments[arguments.index("--config") + 1]).read_text(encoding="utf-8"))
    if found is None:
        sys.stderr.write("this Caddyfile is not known here\n")
        return 1
    Handler.user, Handler.hashed, Handler.behind = found["user"], found["hash"], int(found["behind"])
    ThreadingHTTPServer(("127.0.0.1", int(found["port"])), Handler).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
