"""Records that tests begin from."""

from datetime import UTC, datetime
from typing import Any

from prestage_contracts.snapshot import PullRequestReference, Repository
from records.apps import App, Apps, new_app
from records.environments import Environment, new_preview
from records.pull_requests import PullRequest, PullRequests
from records.table import Table
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


def told(told_by: str = "event-1", **changes: Any) -> PullRequest:
    word = {"state": "open", "head_sha": SHA, "updated_at": NOW, "told_by": told_by}
    return PullRequest.model_validate({"repository_id": REPOSITORY.id, "number": 3, **word, **changes})


def preview(intent: str = "event-1", *, of: App | None = None, number: int = 3, **facts: Any) -> Environment:
    found = of or app()
    reference = PullRequestReference(
        number=number,
        title="Make it teal",
        html_url=f"https://github.com/octo-org/shop/pull/{number}",
        author="octocat",
    )
    given = {
        "app_id": found.id,
        "app_name": found.name,
        "repository": found.repository,
        "installation_id": 7,
        "branch": "teal",
        "sha": SHA,
        "pull_request": reference,
        "intent": intent,
        "with_secrets": True,
        "fly_app": f"prestage-{number}",
        "address": f"https://prestage-{number}.fly.dev",
        "now": NOW,
    }
    return new_preview(**{**given, **facts})


def put_on_record(table: Table, *apps: App) -> None:
    """The owner, the apps, and GitHub's word `event-1` on pull request 3."""
    Users(table).add(user())
    for each in apps:
        Apps(table).add(each)
    PullRequests(table).tell(told())
