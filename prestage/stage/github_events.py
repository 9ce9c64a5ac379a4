"""What GitHub delivers: https://docs.github.com/en/webhooks/webhook-events-and-payloads."""

from collections.abc import Iterable, Mapping
from typing import Any

from prestage.stage import github_shapes as shapes
from prestage.stage.github_git import Signature
from prestage.stage.github_registration import Registration
from prestage.stage.github_repositories import Account, Installation, IssueComment, PullRequest, Push, Repository

NOTHING = "0" * 40
"""The commit before a branch's first one, and after its last."""

SOMEBODY = Account("octocat", "User")
"""Who does what nobody in particular does."""

type Payload = dict[str, Any]


def pull_request(
    action: str, described: PullRequest, base: Repository, *, sender: Account | None = None, **more: Any
) -> Payload:
    """The payload of a `pull_request` delivery; `more` is what the action has besides."""
    return {
        "action": action,
        "number": described.number,
        "pull_request": shapes.pull_request(described, base),
        **more,
        **_about(base),
        "sender": shapes.user(sender or described.author),
    }


def issue_comment(action: str, described: IssueComment, about: PullRequest, place: Repository) -> Payload:
    """The payload of an `issue_comment` delivery. It says nothing of the pull request's branch."""
    return {
        "action": action,
        "issue": _issue(about, place),
        "comment": shapes.comment(described, about.number, place),
        **_about(place),
        "sender": shapes.user(Account(described.author_login, described.author_type)),
    }


def push(described: Push, place: Repository, by: Account) -> Payload:
    """The payload of a `push` delivery. Of the commits, it has the newest alone."""
    before, after = described.before or NOTHING, described.after or NOTHING
    newest = _pushed_commit(described.after, place) if described.after else None
    about = _about(place)
    created_at, pushed_at = int(place.created_at.timestamp()), int(place.pushed_at.timestamp())
    owner = {**about["repository"]["owner"], "name": place.owner, "email": None}
    in_pushes = {
        "owner": owner,
        "created_at": created_at,
        "pushed_at": pushed_at,
        "stargazers": 0,
        "master_branch": place.default_branch,
        "organization": place.owner,
    }
    return {
        "ref": f"refs/heads/{described.branch}",
        "before": before,
        "after": after,
        "base_ref": None,
        "created": described.before is None,
        "deleted": described.after is None,
        "forced": described.forced,
        "compare": f"{shapes.HTML}/{place.full_name}/compare/{before[:12]}...{after[:12]}",
        "commits": [newest] if newest else [],
        "head_commit": newest,
        "pusher": {"name": by.login, "email": f"{by.login}@users.noreply.github.com"},
        **about,
        "repository": {**about["repository"], **in_pushes},
        "sender": shapes.user(by),
    }


def installation(
    action: str, described: Installation, repositories: Iterable[Repository] | None, app: Registration
) -> Payload:
    """The payload of an `installation` delivery. It has no repositories where the App is suspended, or no longer."""
    named = {} if repositories is None else {"repositories": [_item(one) for one in repositories]}
    return {
        "action": action,
        "installation": shapes.installation(described, app),
        **named,
        "sender": shapes.user(SOMEBODY),
    }


def installation_repositories(action: str, place: Repository, app: Registration) -> Payload:
    """The payload of an `installation_repositories` delivery about one repository, `added` or `removed`."""
    return {
        "action": action,
        "installation": shapes.installation(place.installation, app),
        "repository_selection": "selected",
        "repositories_added": [_item(place)] if action == "added" else [],
        "repositories_removed": [_item(place)] if action == "removed" else [],
        "requester": None,
        "sender": shapes.user(SOMEBODY),
    }


def _about(place: Repository) -> Payload:
    """What every delivery about a repository has."""
    owner = shapes.user(Account(place.owner, "Organization"))
    identity = place.installation_id
    return {
        "repository": {**shapes.repository(place), "custom_properties": {}},
        "organization": {name: owner[name] for name in ("login", "id", "node_id", "url", "avatar_url")},
        "installation": {"id": identity, "node_id": shapes.node_id("IntegrationInstallation", identity)},
    }


def _item(place: Repository) -> Payload:
    """A repository as deliveries about installations name it."""
    return {
        "id": place.id,
        "node_id": shapes.node_id("Repository", place.id),
        "name": place.name,
        "full_name": place.full_name,
        "private": True,
    }


def _issue(described: PullRequest, place: Repository) -> Payload:
    """A pull request as the issue that it is too."""
    told = shapes.pull_request(described, place)
    path = f"{shapes.API}/repos/{place.full_name}"
    itself = f"{path}/issues/{described.number}"
    shared = (
        "html_url number state locked title user body created_at updated_at closed_at assignee assignees labels "
        "milestone draft author_association active_lock_reason comments"
    )
    identity = told["id"] + 1
    return {
        "url": itself,
        "repository_url": path,
        "labels_url": f"{itself}/labels{{/name}}",
        "comments_url": f"{itself}/comments",
        "events_url": f"{itself}/events",
        "timeline_url": f"{itself}/timeline",
        "id": identity,
        "node_id": shapes.node_id("Issue", identity),
        **{name: told[name] for name in shared.split()},
        "pull_request": {
            "url": told["url"],
            **{name: told[name] for name in ("html_url", "diff_url", "patch_url", "merged_at")},
        },
        "performed_via_github_app": None,
        "state_reason": None,
    }


def _pushed_commit(sha: str, place: Repository) -> Payload:
    described = place.git.commit(sha)
    changed: Mapping[str, list[str]] = place.git.changes(sha)
    return {
        "id": sha,
        "tree_id": described.tree,
        "distinct": True,
        "message": described.message,
        "timestamp": described.committer.at.isoformat(),
        "url": f"{shapes.HTML}/{place.full_name}/commit/{sha}",
        "author": _person(described.author),
        "committer": _person(described.committer),
        **changed,
    }


def _person(described: Signature) -> dict[str, str]:
    return {"name": described.name, "email": described.email, "username": described.name}
