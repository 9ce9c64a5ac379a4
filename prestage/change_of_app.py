"""What changes of an app, as facts tell it."""

from collections.abc import Iterator
from typing import Literal

from prestage.changes import Change
from prestage_contracts.envelope import EnvironmentType, Event
from prestage_contracts.operators import (
    AppChanged,
    PolicyChanged,
    SettingChange,
    SettingsChangedData,
    VariableChangedData,
)
from prestage_contracts.snapshot import Repository
from records.apps import App

_POLICY = frozenset(
    {
        "authentication",
        "bots",
        "drafts",
        "forks",
        "idle_hours",
        "keep_label",
        "max_previews",
        "preview_label",
        "previews",
        "required_checks",
    }
)
"""What docs/policies.md tells of."""

_UNTOLD = frozenset({"build", "health_path", "start"})
"""Whoever writes a command or a URL may write a token into it."""

_NO_SETTING = frozenset({"config", "created_at", "id", "removing", "revision"})


def settings_changed(before: App, after: App, by: str) -> list[Change]:
    """The facts of what differs in an app's settings: none, one of its policy, one of the others, or both."""
    told = list(_told(before, after))
    facts: list[tuple[type[Event], tuple[SettingChange, ...]]] = [
        (PolicyChanged, tuple(one for one in told if one.setting in _POLICY)),
        (AppChanged, tuple(one for one in told if one.setting not in _POLICY)),
    ]
    return [
        Change(event, SettingsChangedData(changed_by=by, app=after.snapshot(), changes=changes))
        for event, changes in facts
        if changes
    ]


def variable_changed(  # what the fact says
    event: type[Event],
    app: App,
    name: str,
    *,
    environment_type: EnvironmentType,
    change: Literal["set", "deleted"],
    by: str,
) -> Change:
    """The fact that a config value or a secret was set or deleted, by its name."""
    data = VariableChangedData(
        changed_by=by, app=app.snapshot(), environment_type=environment_type, name=name, change=change
    )
    return Change(event, data)


def _told(before: App, after: App) -> Iterator[SettingChange]:
    for name in App.model_fields:
        old, new = getattr(before, name), getattr(after, name)
        if name not in _NO_SETTING and old != new:
            untold = name in _UNTOLD
            yield SettingChange(
                setting=name, before=None if untold else _text(old), after=None if untold else _text(new)
            )


def _text(value: object) -> str:
    match value:
        case None | ():
            return "none"
        case Repository():
            return value.full_name
        case tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)
