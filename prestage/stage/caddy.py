"""What a pretended machine fetches as Caddy's release: one of the stand-in, or of another program."""

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


@cache
def stand_in() -> bytes:
    """The stand-in's release."""
    return release(f"#!{sys.executable} -I\n".encode() + _SCRIPT.read_bytes())


def release(program: bytes) -> bytes:
    """An archive as Caddy's are, of that program."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as packed:
        info = tarfile.TarInfo("caddy")
        info.size, info.mode = len(program), 0o755
        packed.addfile(info, io.BytesIO(program))
    return buffer.getvalue()


def application(archive: bytes) -> flask.Flask:
    """Caddy's releases, of which there is one: `/caddy.tar.gz`."""
    app = flask.Flask("releases")
    app.add_url_rule("/caddy.tar.gz", view_func=lambda: Response(archive, mimetype="application/gzip"))
    return app


def sha512(archive: bytes) -> str:
    """Of that one, in hexadecimal."""
    return hashlib.sha512(archive).hexdigest()
