"""What happens on a pretended GitHub: each change delivers the webhooks that the real one would deliver for it."""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from prestage.stage import github_events as events
from prestage.stage import github_shapes as shapes
from prestage.stage.faults import StandIn
from prestage.stage.github_hook import Delivery, Hook
from prestage.stage.github_repositories import Account, PullRequest, Push, Repositories, Repository


class Happenings(StandIn):
    """Changes to branches and pull requests.

    Each gives its delivery, None where the App is not installed or suspended, and so hears of nothing. A pull request
    is changed a second after its last change at least. KeyError if there is no such thing.
    """

    _repositories: Repositories
    _hook: Hook

    def push(self, full_name: str, branch: str, *, by: str = "octocat") -> tuple[Delivery, ...]:
        """Tell of what was committed to the branch, and of each open pull request that it changes: the push first."""
        place = self._repositories.named(full_name)
        pushed = self._repositories.push(place, branch)
        if pushed is None:
            return ()
        told = [self._tell_push(place, pushed, by)]
        told += [self._move(place, one, pushed) for one in _open_from(place, branch)]
        return tuple(filter(None, told))

    def push_to_fork(self, full_name: str, number: int) -> Delivery | None:
        """Push the branch's newest commit to the fork that a pull request comes from, where the App is not."""
        place = self._repositories.named(full_name)
        pull_request = place.pull_requests[number]
        after = place.git.sha_of(pull_request.branch)
        return self._move(place, pull_request, Push(pull_request.branch, pull_request.sha, after, forced=False))

    def delete_branch(self, full_name: str, branch: str, *, by: str = "octocat") -> tuple[Delivery, ...]:
        """Delete a branch other than the default one, which closes the pull requests that come from it."""
        place = self._repositories.named(full_name)
        if branch == place.default_branch:
            raise ValueError(f"{branch} is the default branch")
        place.git.sha_of(branch)
        from_it = _open_from(place, branch)
        place.git.delete_branch(branch)
        told = [*self.push(full_name, branch, by=by)]
        told += filter(None, [self.close_pull_request(full_name, one.number) for one in from_it])
        return tuple(told)

    def rename_default_branch(self, full_name: str, name: str, *, by: str = "octocat") -> tuple[Delivery, ...]:
        """Give the default branch another name: told as a branch that came to be, one that is gone, and another base.

        Pull requests that came from the branch are left as they are.
        """
        place = self._repositories.named(full_name)
        before = place.default_branch
        place.git.rename_branch(before, name)
        place.default_branch = name
        place.renamed.pop(name, None)
        place.renamed[before] = name
        pushes = [self._repositories.push(place, one) for one in (name, before)]
        told = [self._tell_push(place, one, by) for one in pushes if one is not None]
        onto_it = [one for one in place.pull_requests.values() if one.state == "open" and one.base == before]
        told += [self.edit_base(full_name, one.number, name) for one in onto_it]
        return tuple(filter(None, told))

    def open_pull_request(
        self,
        full_name: str,
        *,
        branch: str,
        title: str,
        author: str = "octocat",
        author_type: str = "User",
        fork: bool = False,
        draft: bool = False,
        labels: Collection[str] = (),
    ) -> int:
        """Open a pull request from the branch and deliver the webhook. Gives its number; see `deliveries`.

        With `fork`, the branch is told to be the author's fork's. Each of `labels` is told of again on its own.
        KeyError if there is no such repository or branch.
        """
        place = self._repositories.named(full_name)
        by = Account(author, author_type)
        opened = self._repositories.open(
            place, branch=branch, title=title, author=by, fork=fork, draft=draft, labels=labels
        )
        self._tell_pull_request("opened", place, opened)
        for name in labels:
            self._tell_pull_request("labeled", place, opened, label=shapes.label(name, place))
        return opened.number

    def close_pull_request(self, full_name: str, number: int, *, merged: bool = False) -> Delivery | None:
        """Close a pull request, or say that it was merged, and deliver the webhook."""

        def close(pull_request: PullRequest) -> None:
            pull_request.closed_at, pull_request.merged = pull_request.updated_at, merged

        return self._change("closed", full_name, number, close)

    def merge_pull_request(self, full_name: str, number: int, *, by: str = "octocat") -> tuple[Delivery, ...]:
        """Merge a pull request into its base, which is told to be closed, and its base to be pushed to.

        Raises:
            prestage.stage.github_git.ConflictError: it can't be merged.
        """
        place = self._repositories.named(full_name)
        pull_request = place.pull_requests[number]
        message = f"Merge pull request #{number} from {pull_request.branch}"
        pull_request.merge_sha = place.git.merge(pull_request.sha, pull_request.base, message)
        closed = self.close_pull_request(full_name, number, merged=True)
        return tuple(filter(None, (closed, *self.push(full_name, pull_request.base, by=by))))

    def reopen_pull_request(self, full_name: str, number: int) -> Delivery | None:
        """Reopen a pull request at its branch's newest commit and deliver the webhook."""
        place = self._repositories.named(full_name)

        def reopen(pull_request: PullRequest) -> None:
            pull_request.closed_at = None
            pull_request.sha = place.git.sha_of(pull_request.branch)
            if pull_request.of_this_repository:
                place.heads[pull_request.branch] = pull_request.sha

        return self._change("reopened", full_name, number, reopen)

    def edit_title(self, full_name: str, number: int, title: str) -> Delivery | None:
        """Give a pull request another title."""
        changes = {"title": {"from": self._pull_request(full_name, number).title}}

        def edit(pull_request: PullRequest) -> None:
            pull_request.title = title

        return self._change("edited", full_name, number, edit, changes=changes)

    def edit_base(self, full_name: str, number: int, base: str) -> Delivery | None:
        """Have a pull request go to another branch."""
        place = self._repositories.named(full_name)
        pull_request, sha = place.pull_requests[number], place.git.sha_of(base)
        changes = {"base": {"ref": {"from": pull_request.base}, "sha": {"from": pull_request.base_sha}}}

        def edit(pull_request: PullRequest) -> None:
            pull_request.base, pull_request.base_sha = base, sha

        return self._change("edited", full_name, number, edit, changes=changes)

    def label(self, full_name: str, number: int, name: str) -> Delivery | None:
        """Put a label on a pull request."""
        place = self._repositories.named(full_name)

        def add(pull_request: PullRequest) -> None:
            pull_request.labels.append(name)

        return self._change("labeled", full_name, number, add, label=shapes.label(name, place))

    def unlabel(self, full_name: str, number: int, name: str) -> Delivery | None:
        """Take a label from a pull request; KeyError if it has none of that name."""
        place = self._repositories.named(full_name)
        if name not in place.pull_requests[number].labels:
            raise KeyError(name)

        def take(pull_request: PullRequest) -> None:
            pull_request.labels.remove(name)

        return self._change("unlabeled", full_name, number, take, label=shapes.label(name, place))

    def convert_to_draft(self, full_name: str, number: int) -> Delivery | None:
        """Say that a pull request is not ready for review."""
        return self._draft("converted_to_draft", full_name, number, draft=True)

    def ready_for_review(self, full_name: str, number: int) -> Delivery | None:
        """Say that a pull request is ready for review."""
        return self._draft("ready_for_review", full_name, number, draft=False)

    def comment(self, full_name: str, number: int, by: str, body: str, *, bot: bool = False) -> Delivery | None:
        """Comment on a pull request as somebody else, and deliver the webhook."""
        place = self._repositories.named(full_name)
        pull_request = place.pull_requests[number]
        made = self._repositories.comment(pull_request, Account(by, "Bot" if bot else "User"), body)
        return self._tell(place, "issue_comment", events.issue_comment("created", made, pull_request, place))

    def _draft(self, action: str, full_name: str, number: int, *, draft: bool) -> Delivery | None:
        def turn(pull_request: PullRequest) -> None:
            pull_request.draft = draft

        return self._change(action, full_name, number, turn)

    def _move(self, place: Repository, pull_request: PullRequest, pushed: Push) -> Delivery | None:
        """Move a pull request to what was pushed."""
        before, after = pull_request.sha, pushed.after
        if after is None or after == before:
            return None

        def move(changed: PullRequest) -> None:
            changed.sha = after

        self._repositories.change(pull_request, move)
        return self._tell_pull_request("synchronize", place, pull_request, before=before, after=after)

    def _pull_request(self, full_name: str, number: int) -> PullRequest:
        return self._repositories.named(full_name).pull_requests[number]

    def _change(
        self, action: str, full_name: str, number: int, change: Callable[[PullRequest], None], **more: Any
    ) -> Delivery | None:
        place = self._repositories.named(full_name)
        pull_request = place.pull_requests[number]
        self._repositories.change(pull_request, change)
        return self._tell_pull_request(action, place, pull_request, **more)

    def _tell_pull_request(
        self, action: str, place: Repository, pull_request: PullRequest, **more: Any
    ) -> Delivery | None:
        return self._tell(place, "pull_request", events.pull_request(action, pull_request, place, **more))

    def _tell_push(self, place: Repository, pushed: Push, by: str) -> Delivery | None:
        return self._tell(place, "push", events.push(pushed, place, Account(by, "User")))

    def _tell(self, place: Repository, event: str, payload: Mapping[str, Any]) -> Delivery | None:
        if not (place.installed and place.installation.works):
            return None
        return self._hook.deliver(event, written(payload))


def written(payload: Mapping[str, Any]) -> bytes:
    """A payload as GitHub writes it: without spaces, and UTF-8 as it is."""
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()


def _open_from(place: Repository, branch: str) -> list[PullRequest]:
    """The open pull requests that come from the repository's own branch of that name."""
    pull_requests = place.pull_requests.values()
    return [one for one in pull_requests if one.state == "open" and one.branch == branch and one.of_this_repository]
