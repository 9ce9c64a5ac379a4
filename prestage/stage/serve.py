"""WSGI applications on 127.0.0.1, for the stage's stand-ins."""

import logging
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from wsgiref.types import WSGIApplication

from werkzeug.serving import BaseWSGIServer, make_server

from prestage.stage.closing import Closing

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Server(Closing):
    """One WSGI application served by threads, from construction until `close`.

    Args:
        application: what to serve.
        port: where on 127.0.0.1; 0 takes a free one.
    """

    def __init__(self, application: WSGIApplication, *, port: int = 0) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._application = application
        self._listen(port)
        self.port: int = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    @contextmanager
    def down(self) -> Iterator[None]:
        """Refuse connections meanwhile."""
        self.close()
        try:
            yield
        finally:
            self._listen(self.port)

    @contextmanager
    def also_at(self, host: str) -> Iterator[None]:
        """Listen at the same port of another address of this machine meanwhile.

        Whoever comes there is answered with links to 127.0.0.1 as everybody is.

        Raises:
            OSError: it is no address of this machine, or the port is taken there.
        """

        def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
            return self._application({**environ, "HTTP_HOST": f"127.0.0.1:{self.port}"}, start_response)

        with socket.socket() as bound:  # werkzeug ends the process where it can't
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((host, self.port))
        server, thread = _serve(host, self.port, answer)
        try:
            yield
        finally:
            _end(server, thread)

    def close(self) -> None:
        """Stop listening and wait until the listening thread has ended."""
        _end(self._server, self._thread)

    def _listen(self, port: int) -> None:
        self._server, self._thread = _serve("127.0.0.1", port, self._application)


def _serve(host: str, port: int, application: WSGIApplication) -> tuple[BaseWSGIServer, threading.Thread]:
    server = make_server(host, port, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    return server, thread


def _end(server: BaseWSGIServer, thread: threading.Thread) -> None:
    server.shutdown()
    thread.join()
    server.server_close()
