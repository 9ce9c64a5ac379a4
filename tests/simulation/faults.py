"""What can go wrong with one call of something outside, and how that looks to who called."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NoReturn, cast

import httpx
from botocore.exceptions import ClientError, ReadTimeoutError

from records.table import ConflictError
from tests.simulation.calls import Call

type Fault = Callable[[Call, Callable[[], Any]], Any]


class CrashError(BaseException):
    """The function is gone: nothing that it would have done after this is done."""


def crash_before(_call: Call, _act: Callable[[], Any]) -> NoReturn:
    """It died before it asked."""
    raise CrashError


def crash_after(_call: Call, act: Callable[[], Any]) -> NoReturn:
    """It died before it had the answer."""
    act()
    raise CrashError


def lost_answer(call: Call, act: Callable[[], Any]) -> Any:
    """It was done, and no answer came. What DynamoDB and KMS were asked is sent again, as boto3 does."""
    act()
    if call.whom in {"github", "fly"}:
        raise httpx.ReadTimeout("planted")
    if call.whom in {"events", "sqs"}:
        raise ReadTimeoutError(endpoint_url="https://aws.example")
    return act()


def no_answer(call: Call, _act: Callable[[], Any]) -> Any:
    """It was not done, and no answer came."""
    if call.whom in {"github", "fly"}:
        raise httpx.ConnectTimeout("planted")
    raise ReadTimeoutError(endpoint_url="https://aws.example")


def limited(call: Call, _act: Callable[[], Any]) -> Any:
    """Too many requests."""
    if call.whom == "github":
        return httpx.Response(403, headers={"Retry-After": "30"}, json={"message": "secondary rate limit"})
    if call.whom == "fly":
        return httpx.Response(429, headers={"Retry-After": "7"}, json={"error": "rate limited"})
    raise _aws("ThrottlingException", 400)


def broken(call: Call, _act: Callable[[], Any]) -> Any:
    """An error of the other side's."""
    if call.whom in {"github", "fly"}:
        return httpx.Response(502, text="<html>bad gateway</html>")
    raise _aws("InternalServerError", 500)


def conflict(call: Call, _act: Callable[[], Any]) -> Any:
    """Another transaction is in the way."""
    if call.what in {"transact", "put", "delete"} and call.whom not in {"kms", "events"}:
        raise ConflictError
    raise _aws("ThrottlingException", 400)


FAULTS: Mapping[str, Fault] = {
    "crash before": crash_before,
    "crash after": crash_after,
    "lost answer": lost_answer,
    "no answer": no_answer,
    "rate limit": limited,
    "error 5xx": broken,
    "conflict": conflict,
}


def pick(random: Random, call: Call) -> str:
    """One of the faults that fit the call."""
    outside = call.whom in {"github", "fly"}
    fitting = [name for name in FAULTS if not (outside and name == "conflict")]
    return random.choice(fitting)


def _aws(code: str, status: int) -> ClientError:
    answer = {"Error": {"Code": code, "Message": "planted"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(cast("Any", answer), "planted")
