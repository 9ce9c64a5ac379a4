"""Apps: deployable things in a repository. Four records each, so that every key reads strongly consistent."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID, uuid5

from boto3.dynamodb.conditions import Attr, ConditionBase
from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from prestage_contracts.envelope import EnvironmentType, Frozen, Text
from prestage_contracts.operators import AppSnapshot
from prestage_contracts.reports import CheckName
from prestage_contracts.snapshot import GitHubId, Identifier, Repository
from records.domains import Domain, Use, check_uses
from records.names import check_variable
from records.table import ABSENT, Check, ConditionFailedError, Delete, Item, Put, Table, Write
from records.users import STAYING, NoSuchUserError, UserId, user_key

_NAMESPACE = UUID("0f7c7f6e-8d1d-5f5e-8a43-0d7a2c0f4b1a")

MAX_CONFIG_BYTES = 64 * 1024
"""All config values of an app and environment type; the record has 400 KB for everything."""

STANDING = Attr("removing").eq(False)
"""Holds for an app that nobody is removing."""

type AppName = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
type Image = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-zA-Z0-9._/:@-]{0,254}$")]
type Label = Annotated[str, StringConstraints(min_length=1, max_length=50, strip_whitespace=True)]
"""A label's name; GitHub takes 50 characters."""
type Command = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
type Config = dict[EnvironmentType, dict[str, str]]


def _inside_repository(directory: str) -> str:
    parts = directory.split("/")
    if directory.startswith("/") or ".." in parts or "" in parts:
        raise ValueError("the directory is a path inside the repository, such as services/api")
    return directory


class App(Frozen):
    """A deployable thing in a repository.

    `image` is any public image with a shell; `build` and `start` are commands run in `directory` of the source;
    `start` serves HTTP on `port`, and answers 2xx on `health_path` when it is ready. `memory_mb` and `cpus` size the
    machine. `config` holds values that are not secret, by environment type.

    The policy of its previews, see docs/policies.md: `forks` and `bots` say what their pull requests get, `drafts`
    whether drafts get one, `previews` which pull requests do (with `label`, those that have `preview_label`; with
    `command`, those that somebody asks one for), `max_previews` how many are live at once, `idle_hours` for how long
    one is kept while nothing happens to it, unless its pull request has `keep_label`, `authentication` whether visitors
    have to give a password.

    `required_checks` are the checks of other teams that have to pass before GitHub is told that a deployment succeeded;
    see docs/checks.md.

    `domain` is what its previews have their host names below, `production_domain` production's host name; see
    docs/domains.md.
    """

    id: Identifier
    name: AppName
    repository: Repository
    installation_id: GitHubId
    owner: UserId
    image: Image
    build: Command | None = None
    start: Command
    directory: Annotated[Text, AfterValidator(_inside_repository)] = "."
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    health_path: Annotated[str, StringConstraints(pattern=r"^/[^\s]*$", max_length=1024)] = "/"
    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{3}$")] = "iad"
    memory_mb: Literal[256, 512, 1024, 2048] = 512
    cpus: Literal[1, 2, 4, 8] = 1
    forks: Literal["ignore", "without_secrets", "trusted"] = "ignore"
    bots: Literal["ignore", "without_secrets", "trusted"] = "without_secrets"
    drafts: Literal["ignore", "preview"] = "preview"
    previews: Literal["every", "label", "command"] = "every"
    preview_label: Label = "preview"
    max_previews: Annotated[int, Field(ge=0, le=1000)] = 20
    idle_hours: Annotated[int, Field(ge=1, le=8760)] = 168
    keep_label: Label = "keep-preview"
    authentication: Literal["none", "basic"] = "none"
    required_checks: Annotated[tuple[CheckName, ...], Field(max_length=10)] = ()
    domain: Domain | None = None
    production_domain: Domain | None = None
    config: Config = Field(default_factory=dict)
    removing: bool = False
    created_at: AwareDatetime
    revision: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _memory_fits_cpus(self) -> Self:
        if not 256 * self.cpus <= self.memory_mb <= 2048 * self.cpus:
            raise ValueError(f"{self.cpus} shared CPUs take {256 * self.cpus} to {2048 * self.cpus} MB of memory")
        return self

    def asks_for_password(self, environment_type: EnvironmentType) -> bool:
        """Whether visitors of its environments of that type have to give a password."""
        return environment_type == "preview" and self.authentication == "basic"

    def snapshot(self) -> AppSnapshot:
        """What facts say of it."""
        return AppSnapshot(id=self.id, name=self.name, repository=self.repository, owner=self.owner)

    def domain_uses(self) -> list[Use]:
        """What it uses domains for."""
        types: list[tuple[EnvironmentType, str | None]] = [
            ("preview", self.domain),
            ("production", self.production_domain),
        ]
        return [Use(domain, type_, self.id, self.name) for type_, domain in types if domain]

    def with_config(self, environment_type: EnvironmentType, name: str, value: str | None) -> Self:
        """The app with one config value set, or unset with None.

        Raises:
            InvalidVariableError: the machine's environment can't carry it.
            ConfigTooLargeError: it is too much in all.
        """
        values = {kept: old for kept, old in self.config.get(environment_type, {}).items() if kept != name}
        if value is not None:
            check_variable(name, value)
            values[name] = value
        if sum(len(kept.encode()) + len(old.encode()) for kept, old in values.items()) > MAX_CONFIG_BYTES:
            raise ConfigTooLargeError(f"config values for {environment_type} take at most {MAX_CONFIG_BYTES} bytes")
        return self.model_copy(update={"config": {**self.config, environment_type: values}})


class AppExistsError(Exception):
    """The repository has an app of this name already."""


class NoSuchAppError(Exception):
    """The app is not on record."""


class AppChangedError(Exception):
    """Somebody else changed the app since it was read; read it again."""


class AppInUseError(Exception):
    """The app has live environments."""


class ConfigTooLargeError(ValueError):
    """Config values are too many or too large."""


def app_id(repository_id: int, name: str) -> str:
    """The id of the app of that name in that repository: adding it twice is adding it once."""
    return str(uuid5(_NAMESPACE, json.dumps([repository_id, name.strip().casefold()])))


class Apps:
    """The apps on record."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def list_by_repository(self, repository_id: int, *, also_removing: bool = False) -> list[App]:
        """The apps of a repository, by name: those that nobody is removing, or all."""
        items = self._table.query(f"REPOSITORY#{repository_id}", begins_with="APP#")
        apps = (App.model_validate(item) for item in items)
        return sorted((app for app in apps if also_removing or not app.removing), key=lambda app: app.name)

    def list_by_installation(self, installation_id: int) -> list[App]:
        """The apps in repositories that an installation of the GitHub App reaches, by name."""
        items = self._table.query(f"INSTALLATION#{installation_id}", begins_with="APP#")
        return sorted((App.model_validate(item) for item in items), key=lambda app: app.name)

    def list_by_user(self, user_id: str) -> list[App]:
        """The apps that belong to a user, by name."""
        items = self._table.query(f"USER#{user_id}", begins_with="APP#")
        return sorted((App.model_validate(item) for item in items), key=lambda app: app.name)

    def list_all(self) -> list[App]:
        """Every app, by repository and name. Reads the whole table: for people, not for functions."""
        apps = (App.model_validate(item) for item in self._table.scan(sk="APP"))
        return sorted(apps, key=lambda app: (app.repository.full_name, app.name))

    def get(self, app_id: str) -> App | None:
        """The app, or None."""
        item = self._table.get(**app_key(app_id))
        return App.model_validate(item) if item else None

    def add(self, app: App, also: Sequence[Write] = ()) -> None:
        """Put a new app on record, and do the other writes in the same transaction; those have no conditions.

        Raises:
            AppExistsError: the repository has one of this name.
            NoSuchUserError: its owner is not on record.
            DomainConflictError: its previews would share cookies with its production.
        """
        check_uses(app.domain_uses(), ())
        try:
            self._table.transact([_owner(app), *_puts(app, ABSENT), *also])
        except ConditionFailedError as failed:
            if any(failed.failed[1:]):
                raise AppExistsError(f"{app.repository.full_name} has an app {app.name} already") from None
            raise _no_such_user(app) from None

    def update(self, app: App, also: Sequence[Write] = ()) -> App:
        """Write a changed app; it must have been read at the revision on record. Gives it with its new revision.

        The other writes are done in the same transaction; those have no conditions.

        Raises:
            AppChangedError: it was changed in between, or removed.
            NoSuchUserError: it has another owner, who is not on record.
            DomainConflictError: its previews would share cookies with its production.
        """
        check_uses(app.domain_uses(), ())
        changed = app.model_copy(update={"revision": app.revision + 1})
        unchanged = Attr("revision").eq(app.revision)
        current = self.get(app.id)
        if current is None or current.revision != app.revision:
            raise _changed(app)
        item, old, new = changed.model_dump(mode="json"), _keys(current), _keys(changed)
        puts: list[Write] = [Put({**item, **key}, unchanged if key in old else ABSENT) for key in new]
        left = [Delete(**key, condition=unchanged) for key in old if key not in new]
        owner = [_owner(app)] if app.owner != current.owner else []
        try:
            self._table.transact([*puts, *left, *owner, *also])
        except ConditionFailedError as failed:
            if any(failed.failed[: len(puts) + len(left)]):
                raise _changed(app) from None
            raise _no_such_user(app) from None
        return changed

    def remove(self, app_id: str, also: Sequence[Write] = ()) -> App:
        """Take an app off the record, and do the other writes in the same transaction; those have no conditions.

        It is marked first: an environment is only created for an app without the mark, in one transaction, so that
        what is counted afterwards is all there is.

        Raises:
            NoSuchAppError: it is not on record.
            AppChangedError: it was changed in between.
            AppInUseError: it has live environments; it stays.
        """
        app = self.get(app_id)
        if app is None:
            raise NoSuchAppError(f"there is no app {app_id}")
        marked = self.update(app.model_copy(update={"removing": True}))
        environments = list(self._table.query(f"APP#{app_id}", begins_with="ENVIRONMENT#"))
        live = [item for item in environments if item["status"] != "stopped"]
        if live:
            self.update(marked.model_copy(update={"removing": False}))
            told = f"{app.name} has {len(live)} environments that are not stopped, and is removed once it has none"
            raise AppInUseError(f"{told}: see `prestage environments stop`")
        for item in self._table.query(check_names_key(app_id)):  # whose its checks' names are
            self._table.delete(item["pk"], item["sk"])
        unchanged = Attr("revision").eq(marked.revision)
        try:
            self._table.transact([*(Delete(**key, condition=unchanged) for key in _keys(marked)), *also])
        except ConditionFailedError:
            raise _changed(app) from None
        return marked


def app_key(app_id: str) -> dict[str, str]:
    """The key of an app's record."""
    return {"pk": f"APP#{app_id}", "sk": "APP"}


def check_names_key(app_id: str) -> str:
    """The partition that has whose the names of an app's checks are."""
    return f"CHECKS#APP#{app_id}"


def new_app(*, repository: Repository, name: str, now: datetime, **settings: object) -> App:
    """An app that is not on record yet.

    Raises:
        pydantic.ValidationError: a setting is not valid.
    """
    given = {"id": app_id(repository.id, name), "name": name, "repository": repository, "created_at": now, **settings}
    return App.model_validate(given)


def _owner(app: App) -> Check:
    return Check(**user_key(app.owner), condition=STAYING)


def _no_such_user(app: App) -> NoSuchUserError:
    return NoSuchUserError(f"there is no user {app.owner}")


def _changed(app: App) -> AppChangedError:
    return AppChangedError(f"the app {app.name} was changed by somebody else; try again")


def _keys(app: App) -> list[dict[str, str]]:
    by_app = f"APP#{app.id}"
    return [
        app_key(app.id),
        {"pk": f"REPOSITORY#{app.repository.id}", "sk": by_app},
        {"pk": f"USER#{app.owner}", "sk": by_app},
        {"pk": f"INSTALLATION#{app.installation_id}", "sk": by_app},
    ]


def _puts(app: App, condition: ConditionBase) -> list[Write]:
    item: Item = app.model_dump(mode="json")
    return [Put({**item, **key}, condition) for key in _keys(app)]
