"""Two pages of a pretended GitHub, for whoever registers an App from a manifest, and installs it.

They look like nothing of GitHub's; what their forms take and lead to is as there.
"""

from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import urlencode

import flask
from markupsafe import Markup

from prestage.stage.github_answers import Answer, invalid
from prestage.stage.github_registration import Codes, Manifest, Registration

PREFIXES = ("/settings/", "/organizations/", "/apps/")
"""Where the pages are: people's browsers send none of the API's headers."""

_PAGE = Markup("<!doctype html><title>{title}</title><h1>{title}</h1>{inside}")
_REGISTER = Markup(
    '<form method="post" action="/settings/apps?{query}">'
    '<input type="hidden" name="manifest" value="{manifest}"><input name="name" value="{name}">'
    "<button>Create GitHub App</button></form>"
)
_INSTALL = Markup('<form method="post"><button>Install</button></form>')


class Pages:
    """The pages' views.

    Args:
        registration: the App, to be registered or installed.
        codes: stand for manifests that were confirmed.
        install: is called when somebody installs the App.
    """

    def __init__(self, registration: Registration, codes: Codes, install: Callable[[], object]) -> None:
        self._registration = registration
        self._codes = codes
        self._install = install

    def routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        """The pages."""
        return [
            ("POST", "/settings/apps/new", self.propose),
            ("POST", "/organizations/<owner>/settings/apps/new", self.propose),
            ("POST", "/settings/apps", self.register),
            ("GET", "/apps/<slug>/installations/new", self.offer),
            ("POST", "/apps/<slug>/installations/new", self.install),
        ]

    def propose(self, owner: str = "") -> Answer:
        """Show what the manifest says, with a name to be chosen."""
        manifest = _manifest()
        query = urlencode({"state": flask.request.args.get("state", ""), "owner": owner})
        form = _REGISTER.format(query=query, manifest=flask.request.form["manifest"], name=manifest.name or "")
        return _page("Register a GitHub App", form)

    def register(self) -> Answer:
        """Lead back to who sent the manifest, with a code."""
        manifest, name = _manifest(), flask.request.form.get("name", "").strip()
        if not name:
            raise invalid("App", "name", "missing_field")
        asked = flask.request.args
        code = self._codes.add(manifest, name, asked.get("owner") or "octocat")
        query = {"code": code, "state": asked.get("state", "")}
        answer = flask.Response(status=HTTPStatus.FOUND)
        answer.headers["Location"] = f"{manifest.redirect_url}?{urlencode(query)}"
        return answer

    def offer(self, slug: str) -> Answer:
        """Ask whether to install the App."""
        self._check(slug)
        return _page(f"Install {slug}", _INSTALL)

    def install(self, slug: str) -> Answer:
        """Install it, in every repository."""
        self._check(slug)
        self._install()
        return _page(f"{slug} is installed", Markup(""))

    def _check(self, slug: str) -> None:
        if not self._registration.is_registered or slug != self._registration.slug:
            flask.abort(HTTPStatus.NOT_FOUND)


def _manifest() -> Manifest:
    return Manifest.model_validate_json(flask.request.form.get("manifest", ""))


def _page(title: str, inside: Markup) -> Answer:
    return flask.Response(_PAGE.format(title=title, inside=inside), content_type="text/html; charset=utf-8")
