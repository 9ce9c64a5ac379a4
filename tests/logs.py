"""What a logger writes, for a test to read."""

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, cast

from aws_lambda_powertools import Logger


@contextmanager
def written_by(logger: Logger) -> Iterator[io.StringIO]:
    """What the logger writes meanwhile."""
    stream = io.StringIO()
    handler = cast("logging.StreamHandler[TextIO]", logger.registered_handler)
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before or sys.stdout)
