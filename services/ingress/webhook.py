"""GitHub's webhook: verify it, and state what it says (`ingress.payload`, a file for each of GitHub's events)."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr, ValidationError

from choreography import wiring
from choreography.clock import Clock, utc_now
from choreography.memory import Claim, HeldError, Key, Memory
from choreography.publisher import Publisher, PublishFailedError, Statement
from choreography.reaction import BrokenError
from ingress.delivery import Delivery, UnacceptableError, claimed_id
from ingress.payload.by_event import BY_EVENT
from ingress.payload.parts import Told
from ingress.signature import is_signed
from prestage_contracts.envelope import Event
from records.table import ConflictError

REFETCH = timedelta(minutes=1)
"""The secret is fetched afresh on a mismatch, so that rotation loses nothing, but not more often than this."""

ATTEMPTS = 2
"""GitHub waits for ten seconds, and what it is told by then can be redelivered."""

_LONGEST = timedelta(seconds=20)

logger = Logger()


class WebhookSecret:
    """The secret that GitHub signs with, followed as it is rotated: then there are two, a line each.

    Args:
        fetch: gives the secret; told True, not one from its cache.
        clock: the time.
    """

    def __init__(self, fetch: Callable[[bool], SecretStr], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._next = clock()

    def check(self, delivery: Delivery) -> None:
        """See that the delivery is GitHub's.

        Raises:
            UnacceptableError: it is not, or does not say so.
        """
        if not self._signed(delivery):
            raise UnacceptableError(HTTPStatus.UNAUTHORIZED, "the signature is missing or not this webhook's")

    def _signed(self, delivery: Delivery) -> bool:
        if self._matches(delivery, afresh=False):
            return True
        if delivery.signature is None or self._clock() < self._next:
            return False
        self._next = self._clock() + REFETCH
        return self._matches(delivery, afresh=True)

    def _matches(self, delivery: Delivery, *, afresh: bool) -> bool:
        taken = self._fetch(afresh).get_secret_value().splitlines()
        return any(is_signed(delivery.body, delivery.signature, one) for one in taken)


class Ingress:
    """The webhook's receiving end."""

    def __init__(self, secret: WebhookSecret, memory: Memory, publisher: Publisher, clock: Clock) -> None:
        self._secret = secret
        self._memory = memory
        self._publisher = publisher
        self._clock = clock

    def receive(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a request: 202 once what it says is stated, or if nothing follows from it."""
        logger.append_keys(delivery_id=claimed_id(request))
        try:
            delivery = Delivery.of(request)
            self._secret.check(delivery)
            return _answer(HTTPStatus.ACCEPTED, self._take(delivery))
        except UnacceptableError as error:
            return _answer(error.status, error.message)
        except (PublishFailedError, HeldError, ConflictError) as error:
            logger.error("not stated", error=type(error).__name__)  # noqa: TRY400  # the publisher said why
            return _answer(HTTPStatus.SERVICE_UNAVAILABLE, "it could not be stated now: redeliver it")
        except BrokenError as error:
            logger.error("broken", reason=error.reason.code, explanation=error.reason.message)  # noqa: TRY400  # as above
            return _answer(
                HTTPStatus.SERVICE_UNAVAILABLE, "it can't be taken until an operator mends this: see the log"
            )
        except (ClientError, BotoCoreError) as error:
            logger.error("AWS does not answer as it should", error=type(error).__name__)  # noqa: TRY400  # its text may quote
            return _answer(HTTPStatus.SERVICE_UNAVAILABLE, "it could not be taken now: redeliver it")

    def _take(self, delivery: Delivery) -> str:
        if not delivery.event:
            raise UnacceptableError(HTTPStatus.BAD_REQUEST, "the header X-GitHub-Event is missing")
        delivery_id, facts = delivery.id, _told(delivery.event, delivery.json())
        if not facts:
            logger.info("nothing follows", github_event=delivery.event, delivery_id=delivery_id)
            return "ignored: nothing follows from it"
        now = self._clock()
        return self._state([_event(fact, delivery, now) for fact in facts])

    def _state(self, events: Sequence[Event]) -> str:
        """State what one delivery tells, remembered as one: by the first of its facts."""
        first = events[0].metadata
        claim = self._memory.claim(Key("ingress", "github", first.group, str(first.event_id)), _LONGEST)
        if claim is None:
            logger.info("stated already")
            return "accepted: it was stated already"
        self._publish([Statement.of(event) for event in events], claim)
        for event in events:
            logger.info("stated", event_id=str(event.metadata.event_id), detail_type=event.name())
        return f"accepted: {events[0].name()}"

    def _publish(self, statements: Sequence[Statement], claim: Claim) -> None:
        try:
            self._publisher.publish(statements)
        except PublishFailedError:
            self._memory.release(claim)
            raise
        self._memory.published(claim)


def _told(event: str, said: Mapping[str, Any]) -> Sequence[Told]:
    read = BY_EVENT.get(event)
    try:
        return read(said) if read else []
    except ValidationError as error:
        where = ", ".join(sorted({".".join(str(part) for part in found["loc"]) for found in error.errors()}))
        message = f"not the shape of a GitHub App's {event} delivery: {where}"
        raise UnacceptableError(HTTPStatus.BAD_REQUEST, message[:500]) from None


def _event(told: Told, delivery: Delivery, now: datetime) -> Event:
    """The fact. Its id comes from the signed body alone: a body replayed under a new delivery id is the same fact."""
    group = str(told.group)
    return told.event.begin(told.data, cause=delivery.digest, correlation_id=delivery.id, now=now, group=group)


def _answer(status: HTTPStatus, message: str) -> dict[str, Any]:
    level = logger.info if status < HTTPStatus.BAD_REQUEST else logger.warning
    level("answered", status=int(status), explanation=message)
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return {"statusCode": int(status), "headers": headers, "body": json.dumps({"message": message})}


@cache
def _ingress() -> Ingress:
    secret = WebhookSecret(lambda afresh: wiring.secret("WEBHOOK_SECRET_ARN", afresh=afresh), utc_now)
    return Ingress(secret, wiring.memory(), wiring.publisher(attempts=ATTEMPTS), utc_now)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """The Lambda handler of POST /webhooks/github."""
    return _ingress().receive(event)
