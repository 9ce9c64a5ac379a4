"""Records that tests begin from."""

from datetime import UTC, datetime
from typing import Any

from prestage_contracts.envelope import EnvironmentType
from prestage_contracts.ingress import PullRequestTold
from prestage_contracts.snapshot import PullRequestReference, Repository
from records.apps import App, Apps, new_app
from records.environments import Environment, new_environment
from records.pull_requests import PullRequests, State, still_told_by
from records.table import Check, Table
from records.users import User, Users

NOW = datetime(2026, 11, 1, 10, 0, 5, tzinfo=UTC)
REPOSITORY = Repository(id=35129377, full_name="octo-org/shop")
SHA = "a" * 40
OWNER = "shop-team"


def app(name: str = "storefront", **settings: Any) -> App:
    given = {"installation_id": 7, "owner": OWNER, "image": "python:3.13", "start": "python3 server.py", **settings}
    return new_app(**{"repository": REPOSITORY, "name": name, "now": NOW, **given})


def user(user_id: str = OWNER) -> User:
    return User(id=user_id, name="The shop's team", created_at=NOW)


def pull_request(number: int = 3) -> PullRequestReference:
    return PullRequestReference(
        number=number,
        title="Make it teal",
        html_url=f"https://github.com/octo-org/shop/pull/{number}",
        author="octocat",
    )


def told(
    *,
    number: int = 3,
    repository_id: int = REPOSITORY.id,
    branch: str = "teal",
    sha: str = SHA,
    head: int | None = REPOSITORY.id,
    **changes: Any,
) -> PullRequestTold:
    """GitHub's word on a pull request; `head` is the head repository's id."""
    given = {
        "repository": REPOSITORY.model_copy(update={"id": repository_id}),
        "default_branch": "main",
        "installation_id": 7,
        "pull_request": pull_request(number),
        "author_type": "User",
        "head": {"branch": branch, "sha": sha, "repository_id": head},
        "draft": False,
        "updated_at": NOW,
    }
    return PullRequestTold.model_validate({**given, **changes})


def tell(table: Table, told_by: str = "event-1", state: State = "open", **changes: Any) -> Check:
    """That event tells it; gives what holds while it is the last word."""
    word = told(**changes)
    assert PullRequests(table).tell(word, state, told_by) == "told"
    return still_told_by(word.repository.id, word.pull_request.number, told_by)


def preview(*, of: App | None = None, number: int = 3, **facts: Any) -> Environment:
    """An environment for a pull request, as it is wanted and not on record yet."""
    return _environment("preview", of or app(), number, pull_request=pull_request(number), **facts)


def ad_hoc(branch: str = "teal", *, of: App | None = None, **facts: Any) -> Environment:
    """A preview of a branch, as it is wanted and not on record yet."""
    return _environment("preview", of or app(), 0, branch=branch, **facts)


def production(*, of: App | None = None, **facts: Any) -> Environment:
    """The app's production, as it is wanted and not on record yet."""
    return _environment("production", of or app(), 0, branch="main", **facts)


def put_on_record(table: Table, *apps: App) -> None:
    """The owner, the apps, and GitHub's word `event-1` on pull request 3."""
    Users(table).add(user())
    for each in apps:
        Apps(table).add(each)
    tell(table)


def _environment(environment_type: EnvironmentType, of: App, number: int, **facts: Any) -> Environment:
    given = {
        "app_id": of.id,
        "app_name": of.name,
        "type": environment_type,
        "repository": of.repository,
        "installation_id": 7,
        "branch": "teal",
        "sha": SHA,
        "with_secrets": True,
        "fly_app": f"prestage-{number}",
        "address": f"https://prestage-{number}.fly.dev",
        "now": NOW,
    }
    return new_environment(**{**given, **facts})
