"""Fly.io: whether the token is taken, and is for the organisation that runtimes belong to."""

from collections.abc import Iterator
from http import HTTPStatus

from fly_io.client import Fly, FlyRefused
from prestage.doctor.findings import Finding, finding


def token(fly: Fly, organization: str, stack: str) -> Iterator[Finding]:
    """What Fly.io says of the token. Whether it may change anything is told only by changing something.

    Args:
        fly: with the stack's token.
        organization: the slug of the stack's.
        stack: its name.
    """
    about = {"organization": organization, "stack": stack}
    try:
        found = fly.organizations()
    except ValueError:  # it is none; the client's text does not quote it, and says no more
        yield finding("fly-token-refused", **about)
        return
    except FlyRefused as error:
        if error.status != HTTPStatus.UNAUTHORIZED:
            raise
        yield finding("fly-token-refused", **about)
        return
    if organization not in found:
        yield finding("fly-organization", **about, found=", ".join(sorted(found)) or "no organisation")
        return
    try:
        fly.list_apps(organization)
    except FlyRefused as error:
        yield finding("fly-apps-unlisted", **about, why=error.message)
