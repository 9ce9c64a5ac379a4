"""Whether an app may have the domains that are asked for."""

from prestage.stack import Stack
from records.apps import App
from records.domains import Use, check_uses, is_within


class DomainRefusedError(ValueError):
    """A domain can't be used in this stack; the text says why, and what to do."""


def check_domains(stack: Stack, app: App, changed: set[str]) -> None:
    """See that the app's domains are in the stack's zone, have certificates, and share no cookies with any others.

    Args:
        stack: where the app is to be.
        app: as it is to be.
        changed: which of its fields are asked for.

    Raises:
        DomainRefusedError, DomainConflictError: they can't be used.
    """
    uses = app.domain_uses()
    asked = [use for use in uses if {"preview": "domain", "production": "production_domain"}[use.type] in changed]
    if not asked:
        return
    check_uses(uses, _others(stack, app))
    zone = stack.zone_name()
    for use in asked:
        _check_zone(use, zone)
        _check_certificate(stack, use)


def _others(stack: Stack, app: App) -> list[Use]:
    """Of other apps; and of every environment that is not stopped, which keeps its address while its app changes."""
    apps = [use for other in stack.apps.list_all() if other.id != app.id for use in other.domain_uses()]
    environments = [found for found in stack.environments.list_all() if found.own_host and found.status != "stopped"]
    return apps + [
        Use(host if found.type == "production" else host.partition(".")[2], found.type, found.app_id, found.app_name)
        for found in environments
        if (host := found.own_host)
    ]


def _check_zone(use: Use, zone: str) -> None:
    if not is_within(use.domain, zone):
        raise DomainRefusedError(f"{use.domain} is not in the stack's DNS zone, which is {zone}")
    if use.type == "production" and use.domain == zone:
        raise DomainRefusedError(
            f"{zone} is the zone's own name, which can't lead elsewhere: take one below it, as www"
        )


def _check_certificate(stack: Stack, use: Use) -> None:
    host = use.domain if use.type == "production" else f"any.{use.domain}"
    found = stack.certificates.covering(host)
    if found is None:
        parent = use.domain.partition(".")[2] if use.type == "production" else use.domain
        raise DomainRefusedError(f"no certificate is for {use.domain}: `prestage certificates import {parent}` first")
    if found.not_after <= stack.clock():
        raise DomainRefusedError(f"the certificate of {found.domain} expired on {found.not_after:%Y-%m-%d}")
