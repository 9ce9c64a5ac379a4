"""What is asked of GitHub where its webhooks don't say enough: which of two words is the last, and who may write."""

from dataclasses import dataclass
from datetime import timedelta

from choreography.reaction import BrokenError, RefusedError
from github_app.access import Access, Place
from github_app.client import PullRequest as Answer
from github_app.client import Repository as Home
from prestage_contracts.ingress import Head, PullRequestTold
from prestage_contracts.snapshot import PullRequestReference, Repository
from records.pull_requests import State

SETTLING = timedelta(seconds=15)
"""For so long after a webhook, GitHub's API may still answer with what was before it."""

MAX_TITLE = 1024
MAY_WRITE = frozenset({"admin", "write"})
"""As the client gives it: GitHub counts `maintain` as `write`."""

_REFUSAL = ("github_refused", "GitHub does not tell it")
_NOT_FOUND, _UNAUTHORIZED = "github_not_found", "github_unauthorized"


@dataclass(frozen=True)
class AskGitHub:
    """Questions. Each raises what `Access.call` does, and none takes another repository's answer for this one's."""

    access: Access

    def pull_request(self, place: Place, number: int) -> tuple[PullRequestTold, State]:
        """The pull request as it is now."""
        permissions = {"pull_requests": "read"}
        answer = self.access.call(
            place, permissions, lambda github, token, name: github.pull_request(token, name, number), _REFUSAL
        )
        _expect(place, answer.base.repo.id)
        return _told(place, answer), _state(answer)

    def branch_head(self, place: Place, branch: str) -> str | None:
        """The SHA that the branch points at, None if there is no such branch."""
        permissions = {"contents": "read"}
        return self.access.call(
            place, permissions, lambda github, token, name: github.branch_head(token, name, branch), _REFUSAL
        )

    def repository(self, place: Place) -> Home:
        """The repository, with the name and the default branch that it has now."""
        permissions = {"metadata": "read"}
        answer = self.access.call(
            place, permissions, lambda github, token, name: github.repository(token, name), _REFUSAL
        )
        _expect(place, answer.id)
        return answer

    def lets_in(self, place: Place) -> bool:
        """Whether the App reaches the repository. A token that was revoked is not its last: it is asked again."""
        try:
            return self._lets_in(place)
        except BrokenError as error:
            if error.reason.code != _UNAUTHORIZED:
                raise
            return self._lets_in(place)

    def may_write(self, place: Place, login: str) -> bool:
        """Whether that person may write to the repository."""
        permissions = {"metadata": "read"}
        found = self.access.call(
            place, permissions, lambda github, token, name: github.permission(token, name, login), _REFUSAL
        )
        return found in MAY_WRITE

    def _lets_in(self, place: Place) -> bool:
        try:
            self.repository(place)
        except RefusedError:
            return False
        except BrokenError as error:
            if error.reason.code != _NOT_FOUND:
                raise
            return False
        return True


def _expect(place: Place, repository_id: int) -> None:
    """See that it is the repository: a name that it had may be another's by now."""
    if repository_id != place.repository.id:
        raise RefusedError("another_repository", f"{place.repository.full_name} is another repository by now")


def _told(place: Place, answer: Answer) -> PullRequestTold:
    """GitHub's answer in the words of its webhook."""
    return PullRequestTold(
        repository=Repository(id=place.repository.id, full_name=answer.base.repo.full_name),
        default_branch=answer.base.repo.default_branch,
        installation_id=place.installation_id,
        pull_request=PullRequestReference(
            number=answer.number,
            title=answer.title[:MAX_TITLE],
            html_url=answer.html_url,
            author=answer.author,
        ),
        author_type=answer.author_type,
        head=Head(
            branch=answer.head.ref,
            sha=answer.head.sha,
            repository_id=answer.head.repo.id if answer.head.repo else None,
        ),
        draft=answer.draft,
        labels=tuple(answer.label_names),
        updated_at=answer.updated_at,
    )


def _state(answer: Answer) -> State:
    if answer.state == "open":
        return "open"
    return "merged" if answer.merged else "closed"
