"""Compare the contract with its last release, or with --record keep it as a release.

A release is a folder in `events-schema/released/`, named by its version, with the schema and the example of each event
that differs from the release before. What is there never changes: consumers were built on it.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prestage.contract_changes import Change, changes
from prestage.contract_examples import delivered, examples
from prestage.contract_files import ROOT, WHEEL, as_json, wheel_version
from prestage.contract_schema import Schema, published
from prestage.contract_typescript import typed
from prestage_contracts import CONTRACT, FORMER, MalformedEventError, Unknown, parse

RELEASED = "events-schema/released"
_NONE = "none"

type Key = tuple[str, str]
"""An event's name and major version."""


@dataclass(frozen=True)
class Verdict:
    """What changed since the last release: by event, and the released examples that can't be read any more."""

    changed: dict[str, list[Change]]
    unreadable: list[str]

    @property
    def breaks(self) -> bool:
        """Whether a consumer could break."""
        return bool(self.unreadable) or any(change.breaks for found in self.changed.values() for change in found)


def stated() -> dict[Key, Schema]:
    """The schemas of the working tree's models."""
    return {(event.name(), event.major()): published(event) for event in (*FORMER, *CONTRACT.values())}


def versions(root: Path) -> list[str]:
    """The recorded releases, the oldest first."""
    return sorted((folder.name for folder in (root / RELEASED).glob("*") if folder.is_dir()), key=_ordered)


def _ordered(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def released(root: Path) -> dict[Key, Schema]:
    """The schemas as they were last released."""
    found: dict[Key, Schema] = {}
    for version in versions(root):
        for path in sorted((root / RELEASED / version).glob("*/v*.json")):
            found[path.parent.name, path.stem.removeprefix("v")] = json.loads(path.read_text(encoding="utf-8"))
    return found


def released_examples(root: Path) -> dict[str, Any]:
    """Every example that was ever released, by its path under the root."""
    return {
        path.relative_to(root).as_posix(): json.loads(path.read_text(encoding="utf-8"))
        for version in versions(root)
        for path in sorted((root / RELEASED / version).glob("*/example.json"))
    }


def compared(before: dict[Key, Schema], after: dict[Key, Schema]) -> dict[str, list[Change]]:
    """What changed, by event and major version; events without a change are left out."""
    found = {f"{name} v{major}": list(_of_event((name, major), before, after)) for name, major in {**before, **after}}
    return {event: differing for event, differing in found.items() if differing}


def _of_event(key: Key, before: dict[Key, Schema], after: dict[Key, Schema]) -> Iterator[Change]:
    if key not in after:
        words = "is gone: archives keep events of it; keep its model in prestage_contracts.FORMER"
        yield Change("event", words, breaks=True)
    elif key not in before:
        yield Change("event", "is new", breaks=False)
    else:
        yield from changes(before[key], after[key])


def unreadable(examples: dict[str, Any]) -> list[str]:
    """What is wrong with each example that is not parsed to an event any more."""
    return [f"{path}: {reason}" for path, example in examples.items() if (reason := _reason(example))]


def _reason(example: Any) -> str:
    try:
        event = parse(example)
    except MalformedEventError as error:
        return str(error)
    return f"version {event.version} of {event.name} is not known" if isinstance(event, Unknown) else ""


def lost_examples(root: Path) -> Iterator[str]:
    """The events of each release whose example is not kept any more."""
    for version in versions(root):
        for path in sorted((root / RELEASED / version).glob("*/v*.json")):
            if not path.with_name("example.json").exists():
                yield f"{path.relative_to(root).parent.as_posix()}/example.json: is gone, and is to be kept for ever"


def verdict(root: Path) -> Verdict:
    """What changed in the working tree since the last release under `root`."""
    return Verdict(compared(released(root), stated()), [*unreadable(released_examples(root)), *lost_examples(root)])


def record(root: Path, version: str) -> list[str]:
    """Keep what differs from the last release as release `version`; the paths that were written."""
    before, written = released(root), []
    stories = {(name, event.major()): delivered(event) for name, event in examples().items()}
    for key, schema in stated().items():
        if before.get(key) != schema:
            folder = f"{RELEASED}/{version}/{key[0]}"
            written.append(_kept(root, f"{folder}/v{key[1]}.json", schema))
            written += [_kept(root, f"{folder}/example.json", stories[key])] if key in stories else []
    return written


def _kept(root: Path, path: str, value: Any) -> str:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(as_json(value), encoding="utf-8")
    return path


def told(found: Verdict, last: str) -> Iterator[str]:
    """The verdict, line by line."""
    for event, differing in found.changed.items():
        yield event
        yield from (f"  {change}" for change in differing)
    yield from (f"BREAKS  {line}" for line in found.unreadable)
    if found.breaks:
        yield f"A consumer of release {last} could break. Raise the event's major version: see CONTRIBUTING.md."
    elif found.changed:
        yield f"No consumer of release {last} breaks."
    else:
        yield f"The contract is as in release {last}."


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """The exit status: 1 if a consumer could break, or if there is nothing to record under the wheel's version."""
    parser = argparse.ArgumentParser(prog="python -m prestage.contract_releases", description=__doc__)
    parser.add_argument("--record", action="store_true", help="keep the contract as a release")
    parser.add_argument("--examples", type=Path, help="only write every released example to this TypeScript file")
    given = parser.parse_args(arguments)
    if given.examples:
        given.examples.write_text(typed(released_examples(root).values()), encoding="utf-8")
        return 0
    found = verdict(root)
    last = (versions(root) or [_NONE])[-1]
    _say(told(found, last))
    if found.breaks:
        return 1
    return _record(root, last) if given.record else 0


def _record(root: Path, last: str) -> int:
    version = wheel_version()
    if last != _NONE and _ordered(version) <= _ordered(last):
        _say([f"{version} is no release after {last}: raise the version in {WHEEL}"])
        return 1
    _say(record(root, version) or ["nothing to record"])
    return 0


def _say(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
