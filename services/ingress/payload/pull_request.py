"""`pull_request`: https://docs.github.com/en/webhooks/webhook-events-and-payloads#pull_request."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import AwareDatetime

from ingress.payload.parts import Id, Identified, Inside, Part, Told
from prestage_contracts.envelope import Text
from prestage_contracts.ingress import (
    Head,
    PullRequestClosed,
    PullRequestClosedData,
    PullRequestOpened,
    PullRequestOpenedData,
    PullRequestUpdated,
    PullRequestUpdatedData,
)
from prestage_contracts.snapshot import PullRequestReference, Sha, Url

MAX_TITLE = 1024
MAX_LABEL = 1024
MAX_LABELS = 100


def told(said: Mapping[str, Any]) -> Sequence[Told]:
    """What follows from it: a fact, or nothing.

    A pull request that is labelled, say, after it was merged is no news: its close was told on its own.

    Raises:
        pydantic.ValidationError: it is not in the promised shape.
    """
    match said:
        case {"action": "closed"}:
            return [_Payload.model_validate(said).closed()]
        case {"pull_request": {"state": "closed"}}:
            return []
        case {"action": "opened" | "reopened"}:
            return [_Payload.model_validate(said).opened()]
        case {"action": "edited", "changes": {"base": {}}}:
            return [_Payload.model_validate(said).updated()]
        case {"action": "synchronize" | "ready_for_review" | "converted_to_draft" | "labeled" | "unlabeled"}:
            return [_Payload.model_validate(said).updated()]
    return []


class _User(Part):
    login: Text
    type: str


class _Head(Part):
    ref: Text
    sha: Sha
    repo: Identified | None


class _Label(Part):
    name: str


class _PullRequest(Part):
    number: Id
    title: str
    html_url: Url
    user: _User | None
    head: _Head
    draft: bool = False
    merged: bool | None = None
    labels: tuple[_Label, ...] = ()
    updated_at: AwareDatetime


class _Payload(Inside):
    action: str
    pull_request: _PullRequest

    def opened(self) -> Told:
        data = PullRequestOpenedData.model_validate({**self._word(), "action": self.action})
        return Told(PullRequestOpened, data, self.repository.id)

    def updated(self) -> Told:
        data = PullRequestUpdatedData.model_validate({**self._word(), "action": self.action})
        return Told(PullRequestUpdated, data, self.repository.id)

    def closed(self) -> Told:
        data = PullRequestClosedData.model_validate({**self._word(), "merged": self.pull_request.merged or False})
        return Told(PullRequestClosed, data, self.repository.id)

    def _word(self) -> dict[str, Any]:
        """GitHub's word on the pull request. That of a deleted account has no user, that of a deleted fork no head."""
        pull_request, head = self.pull_request, self.pull_request.head
        author = pull_request.user or _User(login="ghost", type="User")
        return {
            **self.place(),
            "default_branch": self.repository.default_branch,
            "pull_request": PullRequestReference(
                number=pull_request.number,
                title=pull_request.title[:MAX_TITLE],
                html_url=pull_request.html_url,
                author=author.login,
            ),
            "author_type": author.type,
            "head": Head(branch=head.ref, sha=head.sha, repository_id=head.repo.id if head.repo else None),
            "draft": pull_request.draft,
            "labels": tuple(label.name[:MAX_LABEL] for label in pull_request.labels[:MAX_LABELS]),
            "updated_at": pull_request.updated_at,
        }
