"""Parts of GitHub's payloads, as far as Prestage reads them, and what a payload is read into."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from prestage_contracts.envelope import Data, Event, Text
from prestage_contracts.snapshot import FullName, GitHubId, Repository

type Id = Annotated[GitHubId, Field(strict=True)]


@dataclass(frozen=True)
class Told:
    """A fact that a delivery tells, but for its metadata. `group` is the id of what its message group is about."""

    event: type[Event]
    data: Data
    group: int


class Part(BaseModel):
    """A part of a payload. It is built when it is first needed: most cold starts read one kind of payload."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, defer_build=True)


class Identified(Part):
    """What has an id."""

    id: Id


class NamedRepository(Identified):
    """A repository, as lists of them tell it."""

    full_name: FullName

    def named(self) -> Repository:
        """The repository, as facts tell it."""
        return Repository(id=self.id, full_name=self.full_name)


class HostRepository(NamedRepository):
    """The repository that something happened in."""

    default_branch: Text


class Inside(Part):
    """What every payload says that is about something in a repository: where, and by which installation.

    The hook of a GitHub App always names the installation. One that does not is another kind of hook, which is to be
    taken down: it is refused, so that GitHub shows it as failing.
    """

    repository: HostRepository
    installation: Identified

    def place(self) -> dict[str, Any]:
        """Where, as facts tell it."""
        return {"repository": self.repository.named(), "installation_id": self.installation.id}


class _Account(Part):
    login: Text | None = None
    slug: Text | None = None


class Installation(Identified):
    """An installation, as its own events tell it. An enterprise has a slug for a login; a deleted account is null.

    That the account is named, if only as null, tells these events from those that merely come by an installation.
    """

    account: _Account | None

    @property
    def account_name(self) -> str:
        """Whose it is, or was."""
        account = self.account or _Account()
        return account.login or account.slug or "ghost"
