"""Checks: each looks at one part of a stack and tells what is wrong there. None of them changes anything."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from fly_io.client import FlyRefused, FlyUnavailable
from github_app.client import GitHubRefusedError, GitHubUnavailableError
from prestage.doctor.findings import Finding

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"})
_RIGHT = re.compile(r"\bperform: ([\w-]+:\w+)")


class CannotLookError(Exception):
    """Something can't be looked at as long as something else is wrong; the text says what that is."""


@dataclass(frozen=True)
class Note:
    """What is worth knowing and not wrong."""

    text: str


type Seen = Finding | Note


@dataclass(frozen=True)
class Check:
    """One part of a stack, in words, and how to look at it."""

    name: str
    look: Callable[[], Iterable[Seen]]


@dataclass(frozen=True)
class Result:
    """What a check came to. `unmade` says why it could not be made, or not wholly; None if it was."""

    name: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    unmade: str | None

    @property
    def is_fine(self) -> bool:
        """Whether everything was looked at, and nothing found."""
        return not self.findings and self.unmade is None


def examine(checks: Iterable[Check]) -> Iterator[Result]:
    """Make each check, whatever becomes of those before it."""
    for check in checks:
        seen: list[Seen] = []
        unmade = None
        try:
            seen.extend(check.look())  # what is seen before it breaks off stays
        except CannotLookError as error:
            unmade = str(error)
        except (ClientError, BotoCoreError) as error:
            unmade = _of_aws(error)
        except (GitHubUnavailableError, GitHubRefusedError) as error:
            unmade = f"GitHub does not tell: {error}"
        except (FlyUnavailable, FlyRefused) as error:
            unmade = f"Fly.io does not tell: {error}"
        except ValidationError as error:  # its own text quotes what was read
            unmade = f"there is a record of another version's shape ({error.title})"
        findings = tuple(one for one in seen if isinstance(one, Finding))
        yield Result(check.name, findings, tuple(one.text for one in seen if isinstance(one, Note)), unmade)


def _of_aws(error: ClientError | BotoCoreError) -> str:
    if not isinstance(error, ClientError):
        return f"AWS can't be reached: {error}"
    code = error.response.get("Error", {}).get("Code", "")
    if code not in _DENIED:
        return f"AWS does not tell: {error}"
    named = _RIGHT.search(str(error))
    return f"you may not {named[1] if named else error.operation_name}: ask for that right"
