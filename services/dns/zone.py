"""A zone of Route 53: https://docs.aws.amazon.com/Route53/latest/APIReference/."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol

from botocore.exceptions import ClientError

from choreography.reaction import BrokenError, RefusedError, RetryLaterError

TTL = timedelta(minutes=1)
"""For so long a resolver may answer with a name that the zone has no more."""

_BUSY = timedelta(seconds=5)


class Route53(Protocol):
    """What is used of a Route 53 client."""

    def change_resource_record_sets(self, **request: Any) -> Mapping[str, Any]:
        """Change the zone, all or nothing."""

    def get_change(self, **request: Any) -> Mapping[str, Any]:
        """How far a change is."""


class Zone:
    """A hosted zone.

    Every method raises `BrokenError` (there is no such zone) or `RetryLaterError` (it is busy). Where Route 53 does not
    take a name, `point` raises `RefusedError`, and the others `BrokenError`: nothing comes of what is not taken out.

    Args:
        client: a Route 53 client.
        zone_id: of the hosted zone.
    """

    def __init__(self, client: Route53, zone_id: str) -> None:
        self._client = client
        self._zone_id = zone_id

    def point(self, name: str, target: str) -> None:
        """Let the name lead to the target, whatever it led to."""
        self._change("UPSERT", name, target, RefusedError)

    def remove(self, name: str, target: str) -> str:
        """Take the name out, which leads to the target or to nothing; gives the id of the change.

        Only what is there can be deleted, and in vain is an error in words alone. So it is made to be there.
        """
        self._change("UPSERT", name, target, BrokenError)
        return self._change("DELETE", name, target, BrokenError)

    def is_everywhere(self, change: str) -> bool:
        """Whether all of the zone's servers have the change."""
        with _as_outcomes(change, BrokenError):
            return bool(self._client.get_change(Id=change)["ChangeInfo"]["Status"] == "INSYNC")

    def _change(self, action: str, name: str, target: str, refusal: type[RefusedError | BrokenError]) -> str:
        record = {
            "Name": name,
            "Type": "CNAME",
            "TTL": int(TTL.total_seconds()),
            "ResourceRecords": [{"Value": target}],
        }
        changes = [{"Action": action, "ResourceRecordSet": record}]
        with _as_outcomes(name, refusal):
            answer = self._client.change_resource_record_sets(
                HostedZoneId=self._zone_id, ChangeBatch={"Changes": changes}
            )
        return str(answer["ChangeInfo"]["Id"]).rpartition("/")[2]


@contextmanager
def _as_outcomes(about: str, refusal: type[RefusedError | BrokenError]) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code, told = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        match code:
            case "PriorRequestNotComplete":
                raise RetryLaterError("Route 53 is busy with the zone", _BUSY) from None
            case "NoSuchHostedZone":
                raise BrokenError("no_such_zone", "The stack's HostedZoneId is no zone of Route 53") from None
            case "InvalidChangeBatch" | "InvalidInput":
                raise refusal("dns_refused", f"Route 53 refuses {about}: {told}"[:500]) from None
        raise
