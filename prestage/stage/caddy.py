"""What a pretended machine fetches in the place of Caddy: a release of the stand-in, and where it is."""

import hashlib
import io
import sys
import tarfile
from functools import cache
from pathlib import Path

import flask
from werkzeug.wrappers import Response

from prestage.stage.closing import Closing
from prestage.stage.serve import Server

_SCRIPT = Path(__file__).with_name("caddy_stand_in.py")


class Releases(Closing):
    """Caddy's releases, of which there is one; served on 127.0.0.1."""

    def __init__(self) -> None:
        app = flask.Flask("releases")
        app.add_url_rule("/caddy.tar.gz", view_func=lambda: Response(_archive(), mimetype="application/gzip"))
        self._server = Server(app)
        self.url = f"{self._server.url}/caddy.tar.gz"
        self.sha512 = hashlib.sha512(_archive()).hexdigest()

    def close(self) -> None:
        """Stop serving."""
        self._server.close()


@cache
def _archive() -> bytes:
    script = f"#!{sys.executable} -I\n".encode() + _SCRIPT.read_bytes()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        info = tarfile.TarInfo("caddy")
        info.size, info.mode = len(script), 0o755
        packed.addfile(info, io.BytesIO(script))
    return buffer.getvalue()
