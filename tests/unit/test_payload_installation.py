import itertools
from typing import Any

import pytest
from pydantic import ValidationError

from choreography.publisher import MAX_BYTES
from ingress.payload import installation as of_installation
from ingress.payload import installation_repositories as of_repositories
from ingress.payload.installation_repositories import MAX_REPOSITORIES
from prestage_contracts import InstallationRevoked
from prestage_contracts.ingress import InstallationRevokedData
from tests.unit.payloads import comment, installation, pull_request, removed, repositories


def data(fact: Any) -> InstallationRevokedData:
    assert (fact.event, fact.group) == (InstallationRevoked, 42)
    assert isinstance(fact.data, InstallationRevokedData)
    return fact.data


@pytest.mark.parametrize(("action", "why"), [("deleted", "deleted"), ("suspend", "suspended")])
def test_an_installation_that_ends_is_told_for_all_of_its_repositories(action: str, why: str) -> None:
    [fact] = of_installation.told(installation(action))
    told = data(fact)
    assert (told.installation_id, told.account, told.why, told.repositories) == (42, "octo-org", why, None)


@pytest.mark.parametrize("action", ["created", "unsuspend", "new_permissions_accepted", "removed", None, {}])
def test_whatever_else_happens_to_an_installation_leads_to_nothing(action: object) -> None:
    assert of_installation.told(installation(action)) == []


@pytest.mark.parametrize(
    ("account", "name"),
    [({"slug": "octo-enterprise", "id": 3}, "octo-enterprise"), (None, "ghost"), ({"login": None}, "ghost")],
)
def test_an_account_is_told_by_the_name_it_has(account: object, name: str) -> None:
    [fact] = of_installation.told(installation("deleted", account=account))
    assert data(fact).account == name


@pytest.mark.parametrize(
    "said", [{**comment("/preview"), "action": "deleted"}, {**pull_request("opened"), "action": "suspend"}]
)
def test_another_event_s_payload_revokes_nothing(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"installation\.account"):
        of_installation.told(said)


def test_repositories_that_were_taken_away_are_told_by_id_and_name() -> None:
    [fact] = of_repositories.told(removed(3))
    told = data(fact)
    assert told.why == "repositories_removed"
    assert told.repositories is not None
    assert [(one.id, one.full_name) for one in told.repositories] == [
        (100, "octo-org/r0"),
        (101, "octo-org/r1"),
        (102, "octo-org/r2"),
    ]


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (500, [500]), (501, [500, 1]), (1200, [500, 500, 200])])
def test_many_repositories_are_told_in_several_facts(count: int, sizes: list[int]) -> None:
    facts = [data(fact) for fact in of_repositories.told(removed(count))]
    told = [fact.repositories or () for fact in facts]
    assert [len(some) for some in told] == sizes
    assert [one.id for one in itertools.chain.from_iterable(told)] == [one["id"] for one in repositories(count)]
    assert len({fact.subject for fact in facts}) == len(facts)


def test_the_longest_names_fit_into_a_fact() -> None:
    longest = [{**one, "full_name": f"{'\N{GREEN HEART}' * 100}/{'n' * 100}"} for one in repositories(MAX_REPOSITORIES)]
    [fact] = of_repositories.told(removed(0, repositories_removed=longest))
    assert len(fact.data.model_dump_json().encode()) < MAX_BYTES / 2


@pytest.mark.parametrize("action", ["added", "deleted", None, []])
def test_repositories_that_were_added_lead_to_nothing(action: object) -> None:
    assert of_repositories.told(removed(3, action=action)) == []


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"repositories_removed": None}, "repositories_removed"),
        ({"repositories_removed": [{"id": 1, "full_name": "no-owner"}]}, "repositories_removed.0.full_name"),
        ({"installation": {"id": "42", "account": None}}, "installation.id"),
        ({"installation": {"id": 42}}, "installation.account"),
    ],
)
def test_another_shape_is_refused_where_it_differs(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError) as refused:
        of_repositories.told(removed(1, **changes))
    assert [".".join(map(str, error["loc"])) for error in refused.value.errors()] == [where]
