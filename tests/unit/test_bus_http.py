"""The bus's API, as boto3 sees it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from prestage.stage import bus_http
from prestage.stage.bus import Bus, Delivery
from prestage.stage.deployment import Archive, Rule, Target
from prestage.stage.serve import Server

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
RULE = Rule(
    name="opened",
    arn="arn:aws:events:us-east-1:123456789012:rule/prestage/opened",
    bus="prestage",
    pattern={"detail-type": ["Opened"]},
    targets=(Target("arn:aws:sqs:us-east-1:123456789012:q", "$.detail.group", "arn:aws:sqs:us-east-1:123456789012:d"),),
    enabled=True,
)
ARCHIVE = Archive("facts", "arn:aws:events:us-east-1:123456789012:archive/facts", "prestage", None, 30)


@dataclass
class Served:
    """A bus, its server, and what it delivered."""

    bus: Bus
    url: str
    sent: list[Delivery] = field(default_factory=list)

    def client(self, key: str = "stage-Ingress") -> "EventBridgeClient":
        return boto3.client(
            "events",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key="x",
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    def post(self, operation: str, body: str, **headers: str) -> httpx.Response:
        authorization = "AWS4-HMAC-SHA256 Credential=me/20261124/us-east-1/events/aws4_request, Signature=x"
        sent = {"X-Amz-Target": f"AWSEvents.{operation}", "Authorization": authorization} | headers
        return httpx.post(self.url, content=body, headers=sent, trust_env=False)


@pytest.fixture
def served() -> Iterator[Served]:
    sent: list[Delivery] = []
    bus = Bus(
        name="prestage",
        account="123456789012",
        region="us-east-1",
        deliver=sent.append,
        may_publish=lambda key, source, _name: not source.startswith("prestage.") or key == "stage-Ingress",
        clock=lambda: NOW,
    )
    bus.put_rule(RULE)
    bus.put_archive(ARCHIVE)
    with Server(bus_http.application(bus)) as server:
        yield Served(bus, server.url, sent)


def entry(detail_type: str = "Opened", source: str = "prestage.ingress") -> "PutEventsRequestEntryTypeDef":
    detail = json.dumps({"group": "7", "text": "ü\n"})
    return {"EventBusName": "prestage", "Source": source, "DetailType": detail_type, "Detail": detail}


def test_boto3_publishes(served: Served) -> None:
    answer = served.client().put_events(Entries=[entry(), entry("Closed")])
    assert answer["FailedEntryCount"] == 0
    assert [result["EventId"] for result in answer["Entries"]] == [event["id"] for event in served.bus.events]
    [delivery] = served.sent
    assert delivery.message_group_id == "7"
    assert json.loads(delivery.body)["detail"] == {"group": "7", "text": "ü\n"}


def test_every_member_of_an_entry_arrives(served: Served) -> None:
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    served.client().put_events(Entries=[entry() | {"Time": when, "Resources": ["arn:x"], "TraceHeader": "Root=1"}])
    [event] = served.bus.events
    assert (event["time"], event["resources"]) == ("2026-01-02T03:04:05Z", ["arn:x"])


def test_the_publisher_is_known_by_its_access_key(served: Served) -> None:
    answer = served.client(key="stage-Vault").put_events(Entries=[entry(), entry(source="my.test")])
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"
    assert "EventId" in answer["Entries"][1]


def test_a_request_that_is_refused_is_a_client_error(served: Served) -> None:
    with pytest.raises(ClientError) as refused:
        served.client().put_events(Entries=[entry()] * 11)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert "1 to 10" in refused.value.response["Error"]["Message"]
    assert refused.value.response["ResponseMetadata"]["RequestId"]


@pytest.mark.parametrize(("code", "status"), [("InternalFailure", 500), ("ThrottlingException", 400)])
def test_an_outage_is_an_error_by_eventbridges_name(served: Served, code: str, status: int) -> None:
    served.bus.fail(code=code)
    with pytest.raises(ClientError) as failed:
        served.client().put_events(Entries=[entry()])
    assert failed.value.response["Error"]["Code"] == code
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert served.client().put_events(Entries=[entry()])["FailedEntryCount"] == 0


def test_a_replay_can_be_started(served: Served) -> None:
    client = served.client()
    served.bus.put_rule(replace(RULE, name="closed", arn="arn:closed", pattern={"detail-type": ["Closed"]}))
    client.put_events(Entries=[entry(), entry("Closed")])
    answer = client.start_replay(
        ReplayName="again",
        EventSourceArn=ARCHIVE.arn,
        EventStartTime=NOW - timedelta(minutes=1),
        EventEndTime=NOW,
        Destination={"Arn": served.bus.arn, "FilterArns": [RULE.arn]},
    )
    assert answer["State"] == "COMPLETED"
    assert [json.loads(delivery.body).get("replay-name") for delivery in served.sent] == [None, None, "again"]


def test_a_replay_without_named_rules_goes_to_all(served: Served) -> None:
    client = served.client()
    client.put_events(Entries=[entry()])
    client.start_replay(
        ReplayName="again",
        EventSourceArn=ARCHIVE.arn,
        EventStartTime=NOW,
        EventEndTime=NOW,
        Destination={"Arn": served.bus.arn},
    )
    assert len(served.sent) == 2


def test_what_is_on_the_bus_can_be_listed(served: Served) -> None:
    client = served.client()
    client.put_events(Entries=[entry(), entry("Closed")])
    assert client.describe_event_bus(Name="prestage")["Arn"] == served.bus.arn
    assert [found["Name"] for found in client.list_event_buses()["EventBuses"]] == ["prestage"]
    [rule] = client.list_rules(EventBusName="prestage")["Rules"]
    assert (rule["Arn"], rule["State"], json.loads(rule["EventPattern"])) == (RULE.arn, "ENABLED", RULE.pattern)
    [target] = client.list_targets_by_rule(Rule="opened", EventBusName="prestage")["Targets"]
    assert target["Arn"] == RULE.targets[0].arn
    assert target["SqsParameters"]["MessageGroupId"] == "$.detail.group"
    assert target["DeadLetterConfig"]["Arn"] == RULE.targets[0].dead_letter_arn
    [archive] = client.list_archives()["Archives"]
    assert (archive["ArchiveName"], archive["RetentionDays"], archive["EventCount"]) == ("facts", 30, 2)


@pytest.mark.parametrize(("source", "expected"), [("a", True), ("b", False)])
def test_a_pattern_can_be_tried(served: Served, source: str, expected: bool) -> None:
    event = json.dumps({"source": source})
    assert served.client().test_event_pattern(EventPattern='{"source": ["a"]}', Event=event)["Result"] is expected


@pytest.mark.parametrize("pattern", ['{"source": [{"contains": "a"}]}', "{", "[]", '"x"'])
def test_a_pattern_that_is_not_known_is_refused(served: Served, pattern: str) -> None:
    with pytest.raises(ClientError, match="InvalidEventPatternException"):
        served.client().test_event_pattern(EventPattern=pattern, Event="{}")


def test_a_target_is_added_and_takes_the_place_of_the_one_with_its_id_alone(served: Served) -> None:
    client, queue = served.client(), "arn:aws:sqs:us-east-1:123456789012:{}".format
    client.put_targets(Rule="opened", EventBusName="prestage", Targets=[{"Id": "qa", "Arn": queue("qa")}])
    client.put_targets(
        Rule="opened",
        EventBusName="prestage",
        Targets=[{"Id": "qa", "Arn": queue("qa-2")}, {"Id": "audit", "Arn": queue("audit")}],
    )
    told = client.list_targets_by_rule(Rule="opened", EventBusName="prestage")["Targets"]
    assert {one["Id"]: one["Arn"] for one in told} == {
        "target": queue("q"),
        "qa": queue("qa-2"),
        "audit": queue("audit"),
    }
    client.remove_targets(Rule="opened", EventBusName="prestage", Ids=["target", "audit"])
    [left] = client.list_targets_by_rule(Rule="opened", EventBusName="prestage")["Targets"]
    assert left["Id"] == "qa"


def test_another_bus_and_another_rule_are_not_found(served: Served) -> None:
    client = served.client()
    for call in (
        client.describe_event_bus,
        lambda: client.list_rules(EventBusName="other"),
        lambda: client.list_targets_by_rule(Rule="other", EventBusName="prestage"),
    ):
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            call()


def test_an_operation_that_is_not_there_says_which_are(served: Served) -> None:
    with pytest.raises(ClientError, match="PutEvents") as refused:
        served.client().create_event_bus(Name="another")
    assert refused.value.response["Error"]["Code"] == "UnknownOperationException"


@pytest.mark.parametrize(
    ("operation", "body", "headers", "code"),
    [
        ("PutEvents", "{}", {"Authorization": ""}, "MissingAuthenticationToken"),
        ("PutEvents", "{}", {"Authorization": "Bearer x"}, "MissingAuthenticationToken"),
        ("PutEvents", "{", {}, "SerializationException"),
        ("PutEvents", "", {}, "SerializationException"),
        ("PutEvents", "[" * 100_000, {}, "SerializationException"),
        ("PutEvents", "[]", {}, "ValidationException"),
        ("PutEvents", "{}", {}, "ValidationException"),
        ("PutEvents", '{"Entries": [{"Source": 5}]}', {}, "ValidationException"),
        ("PutEvents", '{"Entries": ["x"]}', {}, "ValidationException"),
        ("PutEvents", '{"Entries": []}', {}, "ValidationException"),
        ("", "{}", {}, "UnknownOperationException"),
        ("put_events", "{}", {}, "UnknownOperationException"),
    ],
)
def test_a_request_that_no_sdk_sends_is_answered_in_the_protocol(
    served: Served, operation: str, body: str, headers: dict[str, str], code: str
) -> None:
    answer = served.post(operation, body, **headers)
    assert answer.status_code == (403 if code == "MissingAuthenticationToken" else 400)
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"
    assert answer.json()["__type"] == code
    assert answer.json()["message"]
    assert served.bus.events == ()


def test_a_listener_that_raises_is_an_internal_failure(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    def complain(_event: Any) -> None:
        raise AssertionError("not what it should be")

    served.bus.subscribe(complain)
    with pytest.raises(ClientError, match="InternalFailure"):
        served.client().put_events(Entries=[entry()])
    assert "not what it should be" in caplog.text
