"""Pull requests as GitHub last told them. Never deleted: what overtakes must find what it overtook."""

from datetime import datetime
from typing import Annotated, Literal, Self

from boto3.dynamodb.conditions import Attr
from pydantic import AwareDatetime, Field

from prestage_contracts.envelope import Frozen, Text
from prestage_contracts.ingress import PullRequestTold
from prestage_contracts.snapshot import GitHubId
from records.table import ABSENT, Check, ConditionFailedError, ConflictError, Table

_TRIES = 4

MOST_TELLERS = 20
"""Events that are remembered to have told their word. One of them, repeated, has nothing to tell any more."""

type State = Literal["open", "merged", "closed"]


class Command(Frozen):
    """What somebody who may write asked for in a comment, last."""

    what: Literal["start", "stop"]
    comment_id: GitHubId
    at: AwareDatetime

    def is_newer(self, than: Self | None) -> bool:
        """Whether it was said after the other."""
        return than is None or (self.at, self.comment_id) > (than.at, than.comment_id)


class PullRequest(Frozen):
    """GitHub's word on a pull request.

    `told_by` is the id of the event that brought it, `told_before` those of the last that did before. `closed_at` is
    when it was last closed, as far as that was told: a command from before that no longer counts. `revision` counts
    writes.
    """

    word: PullRequestTold
    state: State
    told_by: Text
    told_before: tuple[Text, ...] = ()
    command: Command | None = None
    closed_at: AwareDatetime | None = None
    revision: Annotated[int, Field(ge=1)] = 1

    @property
    def is_open(self) -> bool:
        """Whether it is neither merged nor closed."""
        return self.state == "open"

    def is_known(self, event_id: str) -> bool:
        """Whether that event told its word, as far as that is remembered."""
        return event_id == self.told_by or event_id in self.told_before

    def says(self, word: PullRequestTold, state: State) -> bool:
        """Whether that is what is on record."""
        return self.state == state and self.word == _plain(word)

    def after(self, found: Self | None) -> Self:
        """It, with what still counts of what was told before."""
        told = (self, found) if found else (self,)
        closed_at = max((one.closed_at for one in told if one.closed_at), default=None)
        asked_for = [one.command for one in told if one.command and not _is_forgotten(one.command, closed_at)]
        command = max(asked_for, key=lambda one: (one.at, one.comment_id), default=None)
        tellers = (*found.told_before, found.told_by)[-MOST_TELLERS:] if found else ()
        return self.model_copy(
            update={
                "told_before": tellers,
                "closed_at": closed_at,
                "command": command if self.is_open else None,
                "revision": found.revision + 1 if found else 1,
            }
        )

    def takes(self, command: Command) -> bool:
        """Whether the command counts: a newer one does not stand, and the pull request was not closed since."""
        return command.is_newer(self.command) and not _is_forgotten(command, self.closed_at)


type Outcome = Literal["told", "older", "tie"]


class PullRequests:
    """The pull requests on record, with or without an environment."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, repository_id: int, number: int) -> PullRequest | None:
        """GitHub's last word, or None if it never said any."""
        item = self._table.get(**pull_request_key(repository_id, number))
        return PullRequest.model_validate(item) if item else None

    def tell(
        self,
        word: PullRequestTold,
        state: State,
        told_by: str,
        *,
        asked_at: int | None = None,
        closed_at: datetime | None = None,
        command: Command | None = None,
    ) -> Outcome:
        """Write down what GitHub told, or answered, and what somebody asked for with it.

        GitHub's `updated_at` decides, which has a resolution of one second. Gives `older` if something newer is on
        record, and `tie` if GitHub is to be asked: another event told of the same second, or this one tells of a close
        that nobody told before, which ends what was asked for until then. The same event may tell it again, until
        another told something after it.

        Args:
            word: GitHub's.
            state: of the pull request.
            told_by: the id of the event that brought the word, or the question.
            asked_at: the record's revision when GitHub was asked, 0 for none: its answer counts if nothing was
                written since. None for what GitHub told of its own accord.
            closed_at: when it was closed, if the event that made us ask says so.
            command: what is asked for from now on, if the event asks for something and that still counts.

        Raises:
            ConflictError: others keep writing it; try again.
        """
        if state != "open" and asked_at is None:
            closed_at = word.updated_at  # an answer's may be that of a later comment
        said = PullRequest(word=_plain(word), state=state, told_by=told_by, command=command, closed_at=closed_at)
        for _ in range(_TRIES):
            found = self.get(word.repository.id, word.pull_request.number)
            if found is not None and found.told_by == told_by:
                return "told"
            if found is not None and told_by in found.told_before:
                return "older"
            told = said.after(found)
            outcome = _outcome(told, found, asked_at)
            if outcome != "told" or self._put(told, found):
                return outcome
        raise ConflictError

    def _put(self, told: PullRequest, found: PullRequest | None) -> bool:
        key = pull_request_key(told.word.repository.id, told.word.pull_request.number)
        unchanged = Attr("revision").eq(found.revision) if found else ABSENT
        try:
            self._table.put({**told.model_dump(mode="json"), **key}, unchanged)
        except ConditionFailedError:
            return False
        return True


def pull_request_key(repository_id: int, number: int) -> dict[str, str]:
    """The key of a pull request's record."""
    return {"pk": f"REPOSITORY#{repository_id}", "sk": f"PULL_REQUEST#{number}"}


def still_told_by(repository_id: int, number: int, event_id: str) -> Check:
    """Holds while that event's word on the pull request is the last one."""
    key = pull_request_key(repository_id, number)
    return Check(key["pk"], key["sk"], condition=Attr("told_by").eq(event_id))


def _outcome(told: PullRequest, found: PullRequest | None, asked_at: int | None) -> Outcome:
    if asked_at is not None and asked_at != (found.revision if found else 0):
        return "tie"
    if found is None or told.word.updated_at > found.word.updated_at:
        return "told"
    if told.word.updated_at == found.word.updated_at:
        return "tie" if asked_at is None else "told"
    return "tie" if asked_at is None and told.closed_at != found.closed_at else "older"


def _is_forgotten(command: Command, closed_at: datetime | None) -> bool:
    return closed_at is not None and command.at <= closed_at


def _plain(word: PullRequestTold) -> PullRequestTold:
    """The word, without what else its event said."""
    return PullRequestTold.model_validate(word.model_dump())
