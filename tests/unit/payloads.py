"""Payloads of GitHub's events, as the documentation and real deliveries show them, as far as they are read."""

import copy
from typing import Any

SHA = "a" * 40
BEFORE = "b" * 40
ZEROS = "0" * 40

REPOSITORY = {"id": 9, "full_name": "octo-org/shop", "default_branch": "main", "private": True, "pushed_at": 1793527200}
INSTALLATION = {"id": 42, "node_id": "MDIzOkludGVncmF0aW9uSW5zdGFsbGF0aW9uNDI="}
OCTOCAT = {"login": "octocat", "id": 1, "type": "User"}
PLACE = {"repository": REPOSITORY, "installation": INSTALLATION, "sender": OCTOCAT}

_PULL_REQUEST: dict[str, Any] = {
    "number": 7,
    "state": "open",
    "draft": False,
    "merged": False,
    "title": "Make it teal",
    "html_url": "https://github.com/octo-org/shop/pull/7",
    "updated_at": "2026-11-01T10:00:00Z",
    "user": OCTOCAT,
    "labels": [{"id": 3, "name": "preview", "color": "ededed"}],
    "head": {"ref": "teal", "sha": SHA, "repo": {"id": 9, "full_name": "octo-org/shop"}},
    "base": {"ref": "main", "sha": BEFORE, "repo": {"id": 9, "full_name": "octo-org/shop"}},
}
_BESIDE: dict[str, dict[str, Any]] = {
    "synchronize": {"before": BEFORE, "after": SHA},
    "edited": {"changes": {"base": {"ref": {"from": "develop"}, "sha": {"from": BEFORE}}}},
    "labeled": {"label": {"id": 3, "name": "preview", "color": "ededed"}},
    "unlabeled": {"label": {"id": 4, "name": "docs", "color": "ededed"}},
}


def pull_request(action: object, **changes: Any) -> dict[str, Any]:
    """`changes` are of the pull request; it is closed if the action says so."""
    closed = {"state": "closed"} if action == "closed" else {}
    beside = _BESIDE.get(action, {}) if isinstance(action, str) else {}
    told = {"action": action, "number": 7, "pull_request": {**_PULL_REQUEST, **closed, **changes}}
    return copy.deepcopy({**told, **beside, **PLACE})


def push(ref: object = "refs/heads/teal", *, before: object = BEFORE, after: object = SHA) -> dict[str, Any]:
    """A branch that got commits."""
    moved = {"ref": ref, "before": before, "after": after, "created": before == ZEROS, "deleted": after == ZEROS}
    return copy.deepcopy({**moved, "forced": False, "head_commit": None, **PLACE})


def comment(body: object, **changes: Any) -> dict[str, Any]:
    """A comment on the pull request; `changes` are of the comment."""
    issue = {
        "number": 7,
        "state": "open",
        "pull_request": {"url": "https://api.github.com/repos/octo-org/shop/pulls/7"},
    }
    said = {
        "id": 5001,
        "user": OCTOCAT,
        "body": body,
        "created_at": "2026-11-01T10:05:00Z",
        "author_association": "NONE",
    }
    return copy.deepcopy({"action": "created", "issue": issue, "comment": {**said, **changes}, **PLACE})


def installation(action: object, **changes: Any) -> dict[str, Any]:
    """An installation in three repositories; `changes` are of the installation."""
    told = {"id": 42, "app_id": 1, "account": {"login": "octo-org", "id": 2, "type": "Organization"}, **changes}
    return copy.deepcopy({"action": action, "installation": told, "repositories": repositories(3), "sender": OCTOCAT})


def removed(count: int, **changes: Any) -> dict[str, Any]:
    """That many repositories were taken from the installation."""
    told = {"repositories_added": [], "repositories_removed": repositories(count), "repository_selection": "selected"}
    return {**installation("removed"), **told, **changes}


def repositories(count: int) -> list[dict[str, Any]]:
    """As an installation's events list them."""
    return [{"id": 100 + n, "name": f"r{n}", "full_name": f"octo-org/r{n}", "private": True} for n in range(count)]


EVERY: dict[str, list[dict[str, Any]]] = {
    "pull_request": [pull_request(action) for action in ("opened", "reopened", "closed", "labeled", *_BESIDE)],
    "push": [push(), push(before=ZEROS), push(after=ZEROS)],
    "issue_comment": [comment(f"/preview{rest}") for rest in ("", " retry", " stop")],
    "installation": [installation("deleted"), installation("suspend")],
    "installation_repositories": [removed(3)],
}
"""One of each kind that something follows from, by the event's name."""
