"""Tell AWS being away, or busy, from a step that is wrong."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import cast

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004  # botocore's name

from records.table import ConflictError

CONFLICT_WAIT = timedelta(seconds=1)
OUTAGE_WAIT = timedelta(seconds=20)

_SERVER_ERROR = 500
_THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)


def wait_out(error: BaseException | None) -> timedelta | None:
    """How long to wait before what raised `error` is worth trying again; None if waiting would not mend it.

    Libraries wrap what AWS said, so what `error` came from counts too.
    """
    while error is not None:
        if isinstance(error, ConflictError):
            return CONFLICT_WAIT
        if _is_outage(error):
            return OUTAGE_WAIT
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


def _is_outage(error: BaseException) -> bool:
    if not isinstance(error, ClientError):
        return isinstance(error, (ConnectionError, HTTPClientError))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    reasons = cast("Sequence[Mapping[str, str]]", error.response.get("CancellationReasons", ()))
    codes = {error.response["Error"]["Code"], *(reason.get("Code", "") for reason in reasons)}
    return status >= _SERVER_ERROR or not codes.isdisjoint(_THROTTLED)
