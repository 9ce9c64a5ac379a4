"""The demo's application: one page that says what it was given."""

import hashlib
import html
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Preview</title>
<style>
body{{font:18px/1.5 system-ui,sans-serif;margin:12vh auto;max-width:34rem}}
h1{{color:{colour}}} dt{{color:#666}} dd{{overflow-wrap:anywhere}}
</style>
</head>
<body><h1>{headline}</h1>
<dl>
<dt>commit</dt><dd id="commit">{commit}</dd>
<dt>config value GREETING</dt><dd id="greeting">{greeting}</dd>
<dt>SHA-256 of the secret API_KEY</dt><dd id="secret">{secret}</dd>
</dl></body></html>
"""


class Page(BaseHTTPRequestHandler):
    """Answers every GET with the page."""

    def do_GET(self) -> None:
        """Send the page."""
        given = {
            "headline": Path("headline.txt").read_text(encoding="utf-8").strip(),
            "colour": Path("colour.txt").read_text(encoding="utf-8").strip(),
            "commit": os.environ["PRESTAGE_SHA"],
            "greeting": os.environ.get("GREETING", "missing"),
            "secret": hashlib.sha256(os.environ.get("API_KEY", "missing").encode()).hexdigest(),
        }
        body = PAGE.format(**{name: html.escape(value) for name, value in given.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Page).serve_forever()  # noqa: S104  # Fly's proxy comes from outside
