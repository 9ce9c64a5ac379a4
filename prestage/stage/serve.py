"""WSGI applications on 127.0.0.1, for the stage's stand-ins."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from wsgiref.types import WSGIApplication

from werkzeug.serving import make_server

from prestage.stage.closing import Closing


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

    def close(self) -> None:
        """Stop listening and wait until the listening thread has ended."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _listen(self, port: int) -> None:
        self._server = make_server("127.0.0.1", port, self._application, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
