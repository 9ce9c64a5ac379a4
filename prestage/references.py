"""What operators call apps and environments."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from prestage_contracts.envelope import EnvironmentType
from records.apps import App
from records.environments import Environment


class UnknownAppError(Exception):
    """No app, or more than one, goes by what was said; the text says what to say instead."""


class Reading(NamedTuple):
    """An environment that may be meant: of the app that goes by that name, tracking a pull request or a branch."""

    app: str
    type: EnvironmentType
    tracks: int | str | None


def find_app(apps: Sequence[App], said: str) -> App | None:
    """The app that goes by its id, its name, or `owner/repository:name`, in any case; None if none does.

    Raises:
        UnknownAppError: more than one does.
    """
    named = {f"{app.repository.full_name}:{app.name}": app for app in apps}
    wanted = said.casefold()
    found = {name: app for name, app in named.items() if wanted in {app.id, app.name.casefold(), name.casefold()}}
    if len(found) > 1:
        raise UnknownAppError(f"{len(found)} apps are called {said}: say which of {', '.join(found)}")
    return next(iter(found.values()), None)


def no_app(said: str) -> UnknownAppError:
    """Says that there is none, and where to look."""
    return UnknownAppError(f"there is no app {said}: see `prestage apps list`")


def readings(said: str) -> Iterator[Reading]:
    """What may be meant by `APP`, `APP@BRANCH` or `APP#NUMBER`: names of apps and branches may have any character."""
    yield Reading(said, "production", None)
    for at, one in enumerate(said):
        if one == "@" and at and said[at + 1 :]:
            yield Reading(said[:at], "preview", said[at + 1 :])
    name, _, number = said.rpartition("#")
    if name and number.isascii() and number.isdecimal():
        yield Reading(name, "preview", int(number))


def is_called(environment: Environment, said: str) -> bool:
    """Whether that is the environment's id or its address."""
    address = environment.address
    return said.rstrip("/") in {environment.id, address, address.partition("://")[2]}


def naming(apps: Sequence[App]) -> Callable[[Environment], str]:
    """What to call an environment: the app by its name, with its repository where names repeat."""
    repeated = {name for name, times in Counter(one.name.casefold() for one in apps).items() if times > 1}

    def name(environment: Environment) -> str:
        of = environment.app_name
        app = f"{environment.repository.full_name}:{of}" if of.casefold() in repeated else of
        if environment.pull_request:
            return f"{app}#{environment.pull_request.number}"
        return app if environment.type == "production" else f"{app}@{environment.branch}"

    return name
