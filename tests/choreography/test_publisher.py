import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from choreography.publisher import (
    MAX_BATCH,
    MAX_BYTES,
    EventTooLargeError,
    Publisher,
    PublishFailedError,
    Statement,
    dump,
    load,
)
from prestage.contract_examples import examples

DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "a-secret-in-the-text"}}, "PutEvents")


@dataclass
class Client:
    """Refuses the entries whose detail is in `refused`, each as often as it says; or raises what `raises` holds."""

    refused: dict[str, int] = field(default_factory=dict)
    raises: list[Exception] = field(default_factory=list)
    calls: list[list[str]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    entries: list[dict[str, str]] = field(default_factory=list)

    def put_events(self, *, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803  # boto3's name
        self.calls.append([entry["Detail"] for entry in Entries])
        if self.raises:
            raise self.raises.pop(0)
        assert 1 <= len(Entries) <= 10
        assert sum(len((e["Source"] + e["DetailType"] + e["Detail"]).encode()) for e in Entries) < 1_000_000
        self.entries += Entries
        return {"Entries": [self._answer(entry["Detail"]) for entry in Entries]}

    def _answer(self, detail: str) -> dict[str, str]:
        if self.refused.get(detail):
            self.refused[detail] -= 1
            return {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}
        self.taken.append(detail)
        return {"EventId": "x"}


def statements(*details: str) -> list[Statement]:
    return [Statement("prestage.vault", "SecretsResolved", detail) for detail in details]


def publish(client: Client, stated: Sequence[Statement]) -> list[float]:
    waits: list[float] = []
    Publisher(client, "the-bus", sleep=waits.append).publish(stated)  # type: ignore[arg-type]  # a fake
    return waits


def sized(size: int) -> Statement:
    empty = Statement("prestage.vault", "SecretsResolved", "")
    return Statement(empty.source, empty.detail_type, "x" * (size - empty.size))


def test_an_event_is_stated_with_its_source_name_and_detail_on_the_bus() -> None:
    client, event = Client(), examples()["SecretsResolved"]
    publish(client, [Statement.of(event)])
    (entry,) = client.entries
    detail = entry.pop("Detail")
    assert entry == {"EventBusName": "the-bus", "Source": "prestage.vault", "DetailType": "SecretsResolved"}
    assert type(event).model_validate_json(detail) == event
    assert set(json.loads(detail)) == {"metadata", "data"}


def test_facts_go_in_batches_of_ten_in_order() -> None:
    client, details = Client(), [str(number) for number in range(MAX_BATCH * 2 + 3)]
    assert publish(client, statements(*details)) == []
    assert [len(call) for call in client.calls] == [10, 10, 3]
    assert client.taken == details


def test_nothing_to_state_calls_nobody() -> None:
    client = Client()
    publish(client, [])
    assert client.calls == []


def test_only_the_entries_that_failed_are_sent_again() -> None:
    client = Client(refused={"b": 2, "d": 1})
    waits = publish(client, statements("a", "b", "c", "d"))
    assert client.calls == [["a", "b", "c", "d"], ["b", "d"], ["b"]]
    assert sorted(client.taken) == ["a", "b", "c", "d"]
    assert len(waits) == 2
    assert 0 < waits[0] < waits[1]


def test_facts_that_stay_failed_are_an_error_that_says_why() -> None:
    client = Client(refused={"b": 99})
    with pytest.raises(PublishFailedError, match=r"1 of 2 facts are not on the bus: ThrottlingException"):
        publish(client, statements("a", "b"))
    assert client.calls == [["a", "b"], ["b"], ["b"], ["b"]]


def test_a_batch_that_stays_failed_is_an_error_though_another_went_through() -> None:
    client = Client(refused={"10": 99})
    with pytest.raises(PublishFailedError):
        publish(client, statements(*map(str, range(12))))
    assert len(client.taken) == 11


@pytest.mark.parametrize("error", [DENIED, EndpointConnectionError(endpoint_url="https://events")])
def test_a_call_that_fails_as_a_whole_is_made_again(error: Exception) -> None:
    client = Client(raises=[error])
    publish(client, statements("a", "b"))
    assert client.calls == [["a", "b"], ["a", "b"]]


def test_a_call_that_keeps_failing_says_the_code_and_no_more() -> None:
    with pytest.raises(PublishFailedError) as caught:
        publish(Client(raises=[DENIED] * 9), statements("a"))
    assert "AccessDeniedException" in str(caught.value)
    assert "a-secret-in-the-text" not in str(caught.value)


def test_an_event_over_the_limit_is_refused_before_anything_is_sent() -> None:
    client = Client()
    with pytest.raises(EventTooLargeError, match="SecretsResolved has 1000000 bytes"):
        publish(client, [*statements("a"), sized(MAX_BYTES)])
    assert client.calls == []


def test_an_event_just_under_the_limit_is_sent() -> None:
    client = Client()
    publish(client, [sized(MAX_BYTES - 1)])
    assert len(client.taken) == 1


def test_the_size_is_in_bytes_not_in_characters() -> None:
    with pytest.raises(EventTooLargeError):
        publish(Client(), statements("é" * (MAX_BYTES // 2)))


@given(sizes=st.lists(st.integers(min_value=100, max_value=MAX_BYTES - 1), max_size=25))
def test_whatever_the_sizes_no_call_is_over_a_limit_and_every_fact_is_stated_in_order(sizes: list[int]) -> None:
    client = Client()
    stated = [sized(size) for size in sizes]
    publish(client, stated)
    assert client.taken == [statement.detail for statement in stated]


@given(parts=st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=5))
def test_what_the_memory_keeps_comes_back_as_it_was(parts: list[tuple[str, str, str]]) -> None:
    kept = [Statement(*part) for part in parts]
    assert list(load(dump(kept))) == kept
