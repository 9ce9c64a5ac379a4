"""GitHub's `pull_request` payload, as far as Prestage reads it, and what it says in Prestage's words."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from prestage_contracts.ingress import Head, PullRequestOpenedData
from prestage_contracts.snapshot import PullRequestReference, Repository

MAX_TITLE = 1024


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


type _Number = Annotated[int, Field(strict=True)]


class _Id(_Part):
    id: _Number


class _User(_Part):
    login: str
    type: str


class _Head(_Part):
    ref: str
    sha: str
    repo: _Id | None


class _PullRequest(_Part):
    number: _Number
    title: str
    html_url: str
    user: _User | None
    head: _Head
    draft: bool = False
    updated_at: AwareDatetime


class _Repository(_Part):
    id: _Number
    full_name: str
    default_branch: str


class OpenedPayload(_Part):
    """A `pull_request` delivery whose action is opened or reopened. A deleted account's pull request has no user."""

    action: Literal["opened", "reopened"]
    installation: _Id
    repository: _Repository
    pull_request: _PullRequest

    def told(self) -> PullRequestOpenedData:
        """What it says.

        Raises:
            pydantic.ValidationError: it does not say it in the promised shape.
        """
        pull_request = self.pull_request
        author = pull_request.user or _User(login="ghost", type="User")
        head = pull_request.head
        return PullRequestOpenedData(
            action=self.action,
            repository=Repository(id=self.repository.id, full_name=self.repository.full_name),
            default_branch=self.repository.default_branch,
            installation_id=self.installation.id,
            pull_request=PullRequestReference(
                number=pull_request.number,
                title=pull_request.title[:MAX_TITLE],
                html_url=pull_request.html_url,
                author=author.login,
            ),
            author_type=author.type,
            head=Head(branch=head.ref, sha=head.sha, repository_id=head.repo.id if head.repo else None),
            draft=pull_request.draft,
            updated_at=pull_request.updated_at,
        )
