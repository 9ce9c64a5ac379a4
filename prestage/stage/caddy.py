"""What a pretended machine fetches in the place of Caddy: a release of the stand-in."""

import hashlib
import io
import sys
import tarfile
from functools import cache
from pathlib import Path

import flask
from werkzeug.wrappers import Response

RELEASES = "/caddyserver/caddy/releases/download"
"""Where GitHub has Caddy's."""

_SCRIPT = Path(__file__).with_name("caddy_stand_in.py")


def application() -> flask.Flask:
    """Caddy's releases, of which there is one: `/caddy.tar.gz`."""
    app = flask.Flask("releases")
    app.add_url_rule("/caddy.tar.gz", view_func=lambda: Response(_archive(), mimetype="application/gzip"))
    return app


def sha512() -> str:
    """Of that one, in hexadecimal."""
    return hashlib.sha512(_archive()).hexdigest()


@cache
def _archive() -> bytes:
    script = f"#!{sys.executable} -I\n".encode() + _SCRIPT.read_bytes()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        info = tarfile.TarInfo("caddy")
        info.size, info.mode = len(script), 0o755
        packed.addfile(info, io.BytesIO(script))
    return buffer.getvalue()
