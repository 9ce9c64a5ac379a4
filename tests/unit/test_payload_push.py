import pytest
from pydantic import ValidationError

from ingress.payload.push import told
from prestage_contracts import BranchPushed
from prestage_contracts.ingress import BranchPushedData
from tests.unit.payloads import BEFORE, SHA, ZEROS, push


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (BEFORE, SHA, (BEFORE, SHA)),
        (ZEROS, SHA, (None, SHA)),
        (BEFORE, ZEROS, (BEFORE, None)),
        ("0" * 64, "c" * 64, (None, "c" * 64)),
    ],
)
def test_a_branch_is_told_with_what_it_was_and_is(before: str, after: str, said: tuple[str | None, ...]) -> None:
    [fact] = told(push(before=before, after=after))
    assert (fact.event, fact.group) == (BranchPushed, 9)
    assert isinstance(fact.data, BranchPushedData)
    assert (fact.data.before, fact.data.sha) == said
    assert (fact.data.repository.id, fact.data.installation_id, fact.data.default_branch) == (9, 42, "main")


@pytest.mark.parametrize("branch", ["teal", "feature/a/b", "refs/heads/odd", "grün"])
def test_a_branch_keeps_its_whole_name(branch: str) -> None:
    [fact] = told(push(f"refs/heads/{branch}"))
    assert fact.data.model_dump()["branch"] == branch


@pytest.mark.parametrize("ref", ["refs/tags/v1", "refs/tags/refs/heads/v1", "refs/notes/commits", "main", ""])
def test_what_is_no_branch_leads_to_nothing(ref: str) -> None:
    assert told(push(ref)) == []


def test_a_tag_leads_to_nothing_whatever_else_is_said() -> None:
    assert told({"ref": "refs/tags/v1"}) == []


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ({}, {"ref", "before", "after", "repository", "installation"}),
        (push(None), {"ref"}),
        (push("refs/heads/"), {"branch"}),
        (push(before="0" * 39), {"before"}),
        (push(after=None), {"after"}),
        ({**push(), "repository": {"id": 9, "full_name": "octo-org/shop"}}, {"repository.default_branch"}),
        ({**push(), "repository": {"id": "9", "full_name": "shop", "default_branch": "main"}},
         {"repository.id", "repository.full_name"}),
    ],
)  # fmt: skip
def test_another_shape_is_refused_where_it_differs(said: dict[str, object], where: set[str]) -> None:
    with pytest.raises(ValidationError) as refused:
        told(said)
    assert {".".join(map(str, error["loc"])) for error in refused.value.errors()} == where


def test_a_hook_that_is_no_github_app_s_is_refused() -> None:
    said = push()
    del said["installation"]
    with pytest.raises(ValidationError, match="installation"):
        told(said)
