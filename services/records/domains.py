"""Domains of an application's owner, for its previews or its production; and which of them must not come together."""

from collections.abc import Iterable
from typing import Annotated, NamedTuple

from pydantic import StringConstraints

from prestage_contracts.envelope import EnvironmentType

MAX_DOMAIN = 190
"""Characters. A preview's host name has 253 at most, and its first label up to 62."""

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = rf"^({_LABEL}\.)+[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?$"

type Domain = Annotated[str, StringConstraints(pattern=_DOMAIN, max_length=MAX_DOMAIN)]
"""Two labels or more, in lower case and without a dot at the end; in Punycode where it is not ASCII."""


class Use(NamedTuple):
    """What a domain is for, and whose: previews have host names one label below it, production has it as its own."""

    domain: str
    type: EnvironmentType
    app_id: str
    app_name: str


class DomainConflictError(ValueError):
    """A domain can't be used beside another one; the text says which, and why."""


def is_within(name: str, domain: str) -> bool:
    """Whether the name is the domain, or anywhere below it."""
    return name == domain or name.endswith(f".{domain}")


def check_uses(wanted: Iterable[Use], others: Iterable[Use]) -> None:
    """See that what is wanted can stand beside the others, and beside itself.

    A preview's pages can set cookies for every domain that they are below, and read those that are set for it: a
    preview's domain that is production's, above it or below it would share them (RFC 6265, section 5.1.3).

    Raises:
        DomainConflictError: it can't.
    """
    asked = list(wanted)
    for one in asked:
        for other in (*asked, *others):
            _check_pair(one, other)


def _check_pair(one: Use, other: Use) -> None:
    if one.type == other.type == "production":
        if one.domain == other.domain and one.app_id != other.app_id:
            raise DomainConflictError(f"{one.domain} is the production of {other.app_name} already")
    elif one.type != other.type and (is_within(one.domain, other.domain) or is_within(other.domain, one.domain)):
        preview, production = (one, other) if one.type == "preview" else (other, one)
        raise DomainConflictError(
            f"previews of {preview.app_name} under {preview.domain} would share cookies with the production of "
            f"{production.app_name} at {production.domain}: no domain may be the other, above it or below it"
        )
