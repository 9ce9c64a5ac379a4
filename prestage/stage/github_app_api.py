"""The App itself, in the API of a pretended GitHub: https://docs.github.com/en/rest/apps/apps."""

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal

import flask

from prestage.stage import github_shapes as shapes
from prestage.stage.github_answers import Answer, Strict, not_found, paged
from prestage.stage.github_registration import Codes, Registration
from prestage.stage.github_repositories import Account, Repositories

_MASKED = "********"
_SINCE = datetime(2026, 1, 1, tzinfo=UTC)


class _HookConfig(Strict):
    url: str | None = None
    content_type: Literal["json", "form"] | None = None
    secret: str | None = None
    insecure_ssl: Literal["0", "1"] | None = None


class AppApi:
    """The views of the App's own registration.

    Args:
        registration: the App.
        repositories: where it may be installed.
        codes: of manifests that were confirmed.
    """

    def __init__(self, registration: Registration, repositories: Repositories, codes: Codes) -> None:
        self._registration = registration
        self._repositories = repositories
        self._codes = codes

    def routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        """For the App's JWT, below `/app`."""
        return [
            ("GET", "", self.get),
            ("GET", "/hook/config", self.get_hook),
            ("PATCH", "/hook/config", self.change_hook),
            ("GET", "/installations", self.list_installations),
            ("GET", "/installations/<int:installation_id>", self.get_installation),
        ]

    def get(self) -> Answer:
        """The App."""
        return self._shown(), HTTPStatus.OK

    def convert(self, code: str) -> Answer:
        """Exchange a code for the App's credentials: once, by whoever has it."""
        found = self._codes.take(code)
        if found is None:
            raise not_found()
        told = self._registration.configure(*found)
        secret = {"client_id": "Iv23liStage", "client_secret": "unused-on-the-stage"}
        return {**self._shown(), **secret, **told}, HTTPStatus.CREATED

    def get_hook(self) -> Answer:
        """Where deliveries go, with the secret masked."""
        kept = self._registration
        told = {"url": kept.webhook_url, "content_type": kept.content_type, "insecure_ssl": kept.insecure_ssl}
        return {**told, **({"secret": _MASKED} if kept.webhook_secret else {})}, HTTPStatus.OK

    def change_hook(self) -> Answer:
        """Change what is named, and leave the rest."""
        asked = _HookConfig.model_validate_json(flask.request.get_data())
        names = {"url": "webhook_url", "secret": "webhook_secret"}
        for name, value in asked.model_dump(exclude_none=True).items():
            setattr(self._registration, names.get(name, name), value)
        return self.get_hook()

    def list_installations(self) -> Answer:
        """Where the App is installed."""
        return paged("app/installations", self._repositories.installations(), self._installation)

    def get_installation(self, installation_id: int) -> Answer:
        """One installation."""
        found = self._repositories.installation(installation_id)
        if found is None:
            raise not_found()
        return self._installation(found), HTTPStatus.OK

    def _installation(self, one: Any) -> dict[str, Any]:
        return shapes.installation(one, self._registration)

    def _shown(self) -> dict[str, Any]:
        kept = self._registration
        return {
            "id": int(kept.app_id),
            "slug": kept.slug,
            "node_id": "MDExOkludGVncmF0aW9uMQ==",
            "owner": shapes.user(Account(kept.owner, "Organization")),
            "name": kept.name or kept.slug,
            "description": "",
            "external_url": shapes.HTML,
            "html_url": f"{shapes.HTML}/apps/{kept.slug}",
            "created_at": shapes.moment(_SINCE),
            "updated_at": shapes.moment(_SINCE),
            "permissions": dict(kept.permissions),
            "events": list(kept.events),
            "installations_count": len(self._repositories.installations()),
        }
