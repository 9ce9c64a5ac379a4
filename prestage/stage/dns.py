"""A zone of Route 53 in moto, and what it answers. Nobody asks it over DNS: whoever wants to know calls `resolve`."""

from typing import Any
from uuid import uuid4


class LocalZone:
    """A public hosted zone.

    Args:
        client: a Route 53 client.
        domain: the zone's name.
    """

    def __init__(self, client: Any, domain: str) -> None:
        made = client.create_hosted_zone(Name=domain, CallerReference=str(uuid4()))
        self._client = client
        self.id: str = made["HostedZone"]["Id"].rpartition("/")[2]

    def names(self) -> dict[str, str]:
        """What the zone's names lead to."""
        answer = self._client.list_resource_record_sets(HostedZoneId=self.id)
        found = [record for record in answer["ResourceRecordSets"] if record["Type"] == "CNAME"]
        return {record["Name"].rstrip("."): record["ResourceRecords"][0]["Value"].rstrip(".") for record in found}

    def resolve(self, name: str) -> str | None:
        """What the name leads to, None if to nothing."""
        return self.names().get(name)
