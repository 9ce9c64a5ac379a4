"""How a step ends when Fly.io does not do what it was asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus

from aws_lambda_powertools import Logger

from choreography.reaction import BrokenError, RefusedError, RetryLaterError
from fly_io.client import FlyAmbiguous, FlyRefused, FlyUnavailable

OUTAGE = timedelta(seconds=20)
LOOK_AGAIN = timedelta(seconds=3)
"""After a change that may have happened, or that somebody else makes."""

MOVED = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED})
"""Answers about a machine that is not as it was when it was looked at."""

logger = Logger()


@contextmanager
def as_outcomes(refusal: type[RefusedError | BrokenError] = RefusedError) -> Iterator[None]:
    """Turn errors of Fly's client into the kernel's.

    Args:
        refusal: what Fly's no is. It is broken where nobody would be told that it was refused.

    Raises:
        RetryLaterError: Fly does not answer now, or not clearly; look again later.
        RefusedError, BrokenError: Fly refused; `refusal` says which.
    """
    try:
        yield
    except FlyUnavailable as error:
        wait = LOOK_AGAIN if isinstance(error, FlyAmbiguous) else OUTAGE
        raise RetryLaterError(f"Fly.io: {error}", error.after or wait) from None
    except FlyRefused as error:
        logger.error(  # noqa: TRY400  # where it came from says nothing: the answer is what counts
            "Fly refused", status=error.status, explanation=error.message, fly_request_id=error.request_id
        )
        if error.status == HTTPStatus.UNAUTHORIZED:  # our token, not this runtime
            raise BrokenError("provider_unauthorized", "Fly.io does not accept the stack's token") from None
        raise refusal("provider_refused", f"Fly.io refused: {error.message or error.status}") from None
