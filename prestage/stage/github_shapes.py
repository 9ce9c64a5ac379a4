"""What GitHub says of its things, in its JSON: https://docs.github.com/en/rest."""

import base64
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from prestage.stage.github_git import Commit, Signature
from prestage.stage.github_registration import Registration
from prestage.stage.github_repositories import Account, Head, Installation, IssueComment, PullRequest, Repository

API = "https://api.github.com"
HTML = "https://github.com"

PERMISSIONS = {
    "admin": "admin",
    "maintain": "write",
    "write": "write",
    "triage": "read",
    "read": "read",
    "none": "none",
}
"""What each role is called where only four are known."""

_UNSIGNED = {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}
_RIGHTS = {"pull": "read", "triage": "triage", "push": "write", "maintain": "maintain", "admin": "admin"}
_ROLES = ("none", "read", "triage", "write", "maintain", "admin")

_OF_A_USER = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}
_OF_A_REPOSITORY = {
    "forks_url": "/forks",
    "keys_url": "/keys{/key_id}",
    "collaborators_url": "/collaborators{/collaborator}",
    "teams_url": "/teams",
    "hooks_url": "/hooks",
    "issue_events_url": "/issues/events{/number}",
    "events_url": "/events",
    "assignees_url": "/assignees{/user}",
    "branches_url": "/branches{/branch}",
    "tags_url": "/tags",
    "blobs_url": "/git/blobs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "trees_url": "/git/trees{/sha}",
    "statuses_url": "/statuses/{sha}",
    "languages_url": "/languages",
    "stargazers_url": "/stargazers",
    "contributors_url": "/contributors",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "commits_url": "/commits{/sha}",
    "git_commits_url": "/git/commits{/sha}",
    "comments_url": "/comments{/number}",
    "issue_comment_url": "/issues/comments{/number}",
    "contents_url": "/contents/{+path}",
    "compare_url": "/compare/{base}...{head}",
    "merges_url": "/merges",
    "archive_url": "/{archive_format}{/ref}",
    "downloads_url": "/downloads",
    "issues_url": "/issues{/number}",
    "pulls_url": "/pulls{/number}",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "labels_url": "/labels{/name}",
    "releases_url": "/releases{/id}",
    "deployments_url": "/deployments",
}
_ORDINARY: Mapping[str, Any] = {
    "description": None,
    "homepage": None,
    "language": "Python",
    "mirror_url": None,
    "license": None,
    "archived": False,
    "disabled": False,
    "is_template": False,
    "allow_forking": True,
    "web_commit_signoff_required": False,
    "has_issues": True,
    "has_projects": True,
    "has_downloads": True,
    "has_wiki": True,
    "has_pages": False,
    "has_discussions": False,
    "topics": [],
    "size": 12,
    "forks": 0,
    "forks_count": 0,
    "stargazers_count": 0,
    "watchers": 0,
    "watchers_count": 0,
    "open_issues": 1,
    "open_issues_count": 1,
}


def user(account: Account) -> dict[str, Any]:
    """A simple user."""
    path = f"{API}/users/{account.login}"
    identity = zlib.crc32(account.login.encode())
    return {
        "login": account.login,
        "id": identity,
        "node_id": node_id("User", identity),
        "avatar_url": f"https://avatars.githubusercontent.com/u/{identity}?v=4",
        "gravatar_id": "",
        "url": path,
        "html_url": f"{HTML}/{account.login}",
        **{name: path + rest for name, rest in _OF_A_USER.items()},
        "type": account.type,
        "user_view_type": "public",
        "site_admin": False,
    }


def repository(described: Repository, *, head: Head | None = None) -> dict[str, Any]:
    """A repository, or the fork of it that a pull request comes from."""
    head = head or Head(described.id, described.full_name, fork=False)
    owner, _, name = head.full_name.partition("/")
    path, page = f"{API}/repos/{head.full_name}", f"{HTML}/{head.full_name}"
    return {
        "id": head.id,
        "node_id": node_id("Repository", head.id),
        "name": name,
        "full_name": head.full_name,
        "private": True,
        "visibility": "private",
        "owner": user(Account(owner, "User" if head.fork else "Organization")),
        "html_url": page,
        "fork": head.fork,
        "url": path,
        **{key: path + rest for key, rest in _OF_A_REPOSITORY.items()},
        "git_url": f"git://github.com/{head.full_name}.git",
        "ssh_url": f"git@github.com:{head.full_name}.git",
        "clone_url": f"{page}.git",
        "svn_url": page,
        "created_at": moment(described.created_at),
        "updated_at": moment(described.created_at),
        "pushed_at": moment(described.pushed_at),
        "default_branch": described.default_branch,
        **_ORDINARY,
    }


def full_repository(described: Repository) -> dict[str, Any]:
    """A repository as it is told of on its own."""
    return {**repository(described), "network_count": 0, "subscribers_count": 1}


def pull_request(described: PullRequest, base: Repository) -> dict[str, Any]:
    """A pull request."""
    path = f"{API}/repos/{base.full_name}"
    itself, issue = f"{path}/pulls/{described.number}", f"{path}/issues/{described.number}"
    page = f"{HTML}/{base.full_name}/pull/{described.number}"
    statuses = f"{path}/statuses/{described.sha}"
    urls = {
        "url": itself,
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "issue_url": issue,
        "commits_url": f"{itself}/commits",
        "review_comments_url": f"{itself}/comments",
        "review_comment_url": f"{path}/pulls/comments{{/number}}",
        "comments_url": f"{issue}/comments",
        "statuses_url": statuses,
    }
    identity = base.id * 1000 + described.number
    return {
        **urls,
        "id": identity,
        "node_id": node_id("PullRequest", identity),
        "number": described.number,
        "state": described.state,
        "locked": False,
        "title": described.title,
        "user": user(described.author),
        "body": None,
        "created_at": moment(described.created_at),
        "updated_at": moment(described.updated_at),
        "closed_at": described.closed_at and moment(described.closed_at),
        "merged_at": moment(described.closed_at) if described.merged and described.closed_at else None,
        "merge_commit_sha": described.merge_sha,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "labels": [label(name, base) for name in described.labels],
        "milestone": None,
        "draft": described.draft,
        "head": _side(described.branch, described.sha, described.head, base),
        "base": _side(described.base, described.base_sha, Head(base.id, base.full_name, fork=False), base),
        "_links": {
            "self": {"href": itself},
            "html": {"href": page},
            "issue": {"href": issue},
            "comments": {"href": urls["comments_url"]},
            "review_comments": {"href": urls["review_comments_url"]},
            "review_comment": {"href": urls["review_comment_url"]},
            "commits": {"href": urls["commits_url"]},
            "statuses": {"href": statuses},
        },
        "author_association": association(described.author.login, base),
        "auto_merge": None,
        "active_lock_reason": None,
        "merged": described.merged,
        "mergeable": None,
        "rebaseable": None,
        "mergeable_state": "unknown",
        "merged_by": user(Account("octocat", "User")) if described.merged else None,
        "comments": len(described.comments),
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": 1,
        "additions": 2,
        "deletions": 2,
        "changed_files": 2,
    }


def _side(branch: str, sha: str, head: Head | None, base: Repository) -> dict[str, Any]:
    owner = head.full_name.partition("/")[0] if head else "unknown repository"
    return {
        "label": f"{owner}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": user(Account(owner, "User" if head.fork else "Organization")) if head else None,
        "repo": repository(base, head=head) if head else None,
    }


def comment(described: IssueComment, number: int, place: Repository) -> dict[str, Any]:
    """A comment on the pull request with that number."""
    path = f"{API}/repos/{place.full_name}/issues"
    return {
        "url": f"{path}/comments/{described.id}",
        "html_url": f"{HTML}/{place.full_name}/pull/{number}#issuecomment-{described.id}",
        "issue_url": f"{path}/{number}",
        "id": described.id,
        "node_id": node_id("IssueComment", described.id),
        "user": user(Account(described.author_login, described.author_type)),
        "created_at": moment(described.created_at),
        "updated_at": moment(described.updated_at),
        "body": described.body,
        "author_association": association(described.author_login, place),
        "performed_via_github_app": None,
    }


def label(name: str, place: Repository) -> dict[str, Any]:
    """A label of the repository."""
    identity = zlib.crc32(f"{place.id}/{name}".encode())
    return {
        "id": identity,
        "node_id": node_id("Label", identity),
        "url": f"{API}/repos/{place.full_name}/labels/{name}",
        "name": name,
        "color": "ededed",
        "default": False,
        "description": None,
    }


def association(login: str, place: Repository) -> str:
    """How somebody is told to belong to a repository. It says nothing of what they may do there."""
    role = place.role(login)
    if role == "admin":
        return "MEMBER"
    return "NONE" if role in {None, "none"} else "COLLABORATOR"


def collaborator(login: str, role: str) -> dict[str, Any]:
    """What somebody may do in a repository."""
    rights = {name: _ROLES.index(role) >= _ROLES.index(least) for name, least in _RIGHTS.items()}
    who = {**user(Account(login, "User")), "permissions": rights, "role_name": role}
    return {"permission": PERMISSIONS[role], "role_name": role, "user": who}


def branch(name: str, newest: Commit, place: Repository) -> dict[str, Any]:
    """A branch, with its newest commit."""
    path, page = f"{API}/repos/{place.full_name}/branches/{name}", f"{HTML}/{place.full_name}/tree/{name}"
    return {
        "name": name,
        "commit": _commit(newest, place),
        "_links": {"self": path, "html": page},
        "protected": False,
        "protection": {
            "enabled": False,
            "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []},
        },
        "protection_url": f"{path}/protection",
    }


def _commit(described: Commit, place: Repository) -> dict[str, Any]:
    path, page = f"{API}/repos/{place.full_name}", f"{HTML}/{place.full_name}"
    url = f"{path}/commits/{described.sha}"
    return {
        "sha": described.sha,
        "node_id": node_id("Commit", described.sha),
        "commit": {
            "author": _signature(described.author),
            "committer": _signature(described.committer),
            "message": described.message,
            "tree": {"sha": described.tree, "url": f"{path}/git/trees/{described.tree}"},
            "url": f"{path}/git/commits/{described.sha}",
            "comment_count": 0,
            "verification": _UNSIGNED,
        },
        "url": url,
        "html_url": f"{page}/commit/{described.sha}",
        "comments_url": f"{url}/comments",
        "author": None,
        "committer": None,
        "parents": [
            {"sha": sha, "url": f"{path}/commits/{sha}", "html_url": f"{page}/commit/{sha}"}
            for sha in described.parents
        ],
    }


def _signature(described: Signature) -> dict[str, str]:
    return {"name": described.name, "email": described.email, "date": moment(described.at)}


def installation(described: Installation, app: Registration) -> dict[str, Any]:
    """The App's installation for an owner."""
    owner = user(Account(described.owner, "Organization"))
    identity, suspended = described.id, described.suspended_at
    return {
        "id": identity,
        "app_id": int(app.app_id),
        "app_slug": app.slug,
        "account": owner,
        "target_id": owner["id"],
        "target_type": "Organization",
        "repository_selection": "selected",
        "access_tokens_url": f"{API}/app/installations/{identity}/access_tokens",
        "repositories_url": f"{API}/installation/repositories",
        "html_url": f"{HTML}/organizations/{described.owner}/settings/installations/{identity}",
        "permissions": dict(described.permissions or app.permissions),
        "events": list(app.events),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "created_at": moment(described.created_at),
        "updated_at": moment(suspended or described.created_at),
        "suspended_at": suspended and moment(suspended),
        "suspended_by": user(Account("octocat", "User")) if suspended else None,
    }


def moment(when: datetime) -> str:
    """A moment, to the second."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node_id(kind: str, identity: int | str) -> str:
    """What GraphQL calls it."""
    return base64.b64encode(f"0{len(kind)}:{kind}{identity}".encode()).decode()
