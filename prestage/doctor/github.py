"""The GitHub App: its settings, where its webhooks go and what became of them, and where it is installed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from http import HTTPStatus
from itertools import groupby

import httpx
from pydantic import SecretStr

from choreography.clock import Clock
from github_app.answers import Delivery
from github_app.auth import AppCredentials, app_jwt
from github_app.client import GitHub, GitHubNotFoundError, GitHubUnauthorizedError
from prestage.doctor.check import CannotLookError
from prestage.doctor.findings import Finding, finding
from prestage.github_administration import (
    EVENTS,
    Administration,
    App,
    HookConfig,
    Installation,
    lacking,
    needless,
    web_url,
)
from records.apps import App as RegisteredApp

KEPT = timedelta(hours=72)
"""For how long GitHub knows of deliveries."""

_UNREACHED = frozenset({0, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})
"""GitHub has no status, or one of a gateway, where no answer came."""


class AppAtGitHub:
    """The App as GitHub has it, beside what the stack needs.

    Args:
        http: from `github_app.client.build_http`.
        outputs: the stack's.
        stack: its name.
        credentials: gives the App's; may raise `CannotLookError`.
        clock: the time.
    """

    def __init__(
        self,
        http: httpx.Client,
        outputs: Mapping[str, str],
        stack: str,
        credentials: Callable[[], AppCredentials],
        clock: Clock,
    ) -> None:
        self._url = outputs["GitHubApiUrl"]
        self._github = GitHub(http, self._url, clock=clock)
        self._administration = Administration(http, self._url, clock=clock)
        self._outputs = outputs
        self._stack = stack
        self._credentials = credentials
        self._clock = clock

    # ---- Its settings

    def settings(self) -> Iterator[Finding]:
        """Whether the key is the App's, and the App may do what it has to and nothing else."""
        try:
            app = self._app
        except GitHubUnauthorizedError:
            yield finding("github-key-refused", stack=self._stack)
            return
        recorded, at = self._credentials().slug, self._settings_url(app)
        if app.slug != recorded:
            arn = self._outputs["GitHubAppSecretArn"]
            yield finding("github-slug", slug=app.slug, recorded=recorded, arn=arn)
        if without := lacking(app.permissions):
            yield finding("github-permissions-lacking", permissions=_listed(without), settings=at)
        if beyond := needless(app.permissions):
            yield finding("github-permissions-needless", permissions=_listed(beyond), settings=at)
        if unheard := sorted({*EVENTS} - {*app.events}):
            yield finding("github-events-lacking", events=", ".join(unheard), settings=at)

    def webhook(self) -> Iterator[Finding]:
        """Whether webhooks come here, whole and signed."""
        found, at = self._asked(lambda: self._administration.hook(self._jwt())), self._settings_url(self._app)
        wanted = self._outputs["WebhookUrl"]
        if found.url != wanted:
            yield finding("webhook-url", url=found.url or "nobody", wanted=wanted, settings=at)
        yield from _form(found, at)
        if found.secret is None:
            yield finding("webhook-unsigned", stack=self._stack)

    # ---- What became of webhooks

    def deliveries(self) -> Iterator[Finding]:
        """Those that were not taken, and not since either, by what became of them."""
        jwt, since = self._jwt(), self._clock() - KEPT
        failed = self._asked(lambda: list(self._github.failed_deliveries(jwt, since)))
        if not failed:
            return
        attempts = self._administration.attempts(jwt, failed[-1].delivered_at)
        taken = {one.guid for one in attempts if one.succeeded}
        newest = {one.guid: one for one in reversed(failed) if one.guid not in taken}
        at = self._settings_url(self._app)
        for kind, those in _by_cause(newest.values()):
            count = f"{len(those)} webhook was" if len(those) == 1 else f"{len(those)} webhooks were"
            about = {"count": count.removesuffix(" was").removesuffix(" were"), "newest": _told(those[0])}
            yield finding(
                kind,
                **about,
                status=those[0].status_code,
                wanted=self._outputs["WebhookUrl"],
                arn=self._outputs["WebhookSecretArn"],
                settings=at,
                stack=self._stack,
            )

    # ---- Where it is installed

    def installations(self, apps: Iterable[RegisteredApp]) -> Iterator[Finding]:
        """Whether the App reaches the repository of each app on record, under the name on record."""
        jwt = self._jwt()
        known = self._asked(lambda: {one.id: one for one in self._administration.installations(jwt)})
        told: set[int] = set()
        for repository, those in groupby(sorted(apps, key=_place), key=_place):
            registered = list(those)
            full_name = registered[0].repository.full_name
            try:
                found = self._github.repository_installation(jwt, full_name)
            except GitHubNotFoundError:
                names = ", ".join(one.name for one in registered)
                install = f"{web_url(self._url)}/apps/{self._app.slug}/installations/new"
                yield finding("app-not-installed", repository=full_name, apps=names, install=install)
                continue
            yield from self._reinstalled(registered, found)
            installation = known.get(found)
            if installation is not None and found not in told:
                told.add(found)
                yield from self._installation(installation)
            if installation is not None and installation.suspended_at is None:
                yield from self._renamed(registered, found, repository[1])

    def _reinstalled(self, registered: Sequence[RegisteredApp], found: int) -> Iterator[Finding]:
        for app in registered:
            if app.installation_id != found:
                repository = app.repository.full_name
                yield finding("app-reinstalled", repository=repository, app=app.name, stack=self._stack)

    def _installation(self, found: Installation) -> Iterator[Finding]:
        account, url = found.account.login, found.html_url
        if found.suspended_at is not None:
            yield finding("app-suspended", account=account, url=url)
        elsewhere = lacking(self._app.permissions)  # what the App itself lacks is told of the App
        without = {name: level for name, level in lacking(found.permissions).items() if name not in elsewhere}
        if without:
            yield finding("permissions-not-approved", account=account, permissions=_listed(without), url=url)

    def _renamed(
        self, registered: Sequence[RegisteredApp], installation_id: int, repository_id: int
    ) -> Iterator[Finding]:
        """Only a token is told a name; this one is good for that and nothing else, and nobody keeps it."""
        made = self._github.create_installation_token(
            self._jwt(), installation_id, repository_id=repository_id, permissions={"metadata": "read"}
        )
        present = self._github.repository(made.token, registered[0].repository.full_name).full_name
        for app in registered:
            if app.repository.full_name != present:
                yield finding(
                    "repository-renamed", old=app.repository.full_name, new=present, app=app.name, stack=self._stack
                )

    # ---- Asking

    @cached_property
    def _app(self) -> App:
        return self._administration.app(self._jwt())

    def _jwt(self) -> SecretStr:
        return app_jwt(self._credentials(), self._clock())

    @staticmethod
    def _asked[T](ask: Callable[[], T]) -> T:
        """What GitHub tells the App.

        Raises:
            CannotLookError: it does not take the App's key, which `settings` tells.
        """
        try:
            return ask()
        except GitHubUnauthorizedError:
            raise CannotLookError("GitHub does not take the App's id and private key") from None

    def _settings_url(self, app: App) -> str:
        """Where people see the App; from there its owners come to its settings."""
        return app.html_url or f"{web_url(self._url)}/apps/{app.slug}"


def _form(found: HookConfig, at: str) -> Iterator[Finding]:
    if found.content_type != "json":
        yield finding("webhook-content-type", type=found.content_type, settings=at)
    if not found.checks_certificates:
        yield finding("webhook-unverified", settings=at)


def _by_cause(failed: Iterable[Delivery]) -> Iterator[tuple[str, list[Delivery]]]:
    """The newest of each first."""
    by_kind: dict[tuple[str, int], list[Delivery]] = {}
    for one in sorted(failed, key=lambda one: one.delivered_at, reverse=True):
        kind = _cause(one.status_code)
        by_kind.setdefault((kind, 0 if kind == "deliveries-unreached" else one.status_code), []).append(one)
    return ((kind, those) for (kind, _), those in by_kind.items())


def _cause(status: int) -> str:
    if status in _UNREACHED:
        return "deliveries-unreached"
    if status == HTTPStatus.UNAUTHORIZED:
        return "deliveries-unauthorized"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "deliveries-throttled"
    return "deliveries-unavailable" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "deliveries-refused"


def _told(delivery: Delivery) -> str:
    return f"{delivery.event} {delivery.guid} at {delivery.delivered_at:%Y-%m-%d %H:%M:%S} UTC"


def _listed(permissions: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {level}" for name, level in sorted(permissions.items()))


def _place(app: RegisteredApp) -> tuple[str, int]:
    return app.repository.full_name, app.repository.id
