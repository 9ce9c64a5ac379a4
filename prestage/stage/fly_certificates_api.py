"""The certificates of Fly's Machines API, for the apps of a pretended Fly.io: imported ones only."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import flask

from prestage.stage.fly_apps import App, Apps
from prestage.stage.fly_certificates import Certificate, InvalidCertificateError, read_certificate
from prestage.stage.fly_config import ImportCertificate
from prestage.stage.fly_http import Answer, RefusalError, read_body

_PAGE = 25
_LONGEST_PAGE = 500


class CertificatesApi:
    """The views.

    Args:
        apps: what knows which host name is whose.
        find: the app of a name, or Fly's refusal.
        domain: of the apps' own host names.
    """

    def __init__(self, apps: Apps, *, find: Callable[[str], App], domain: str) -> None:
        self._apps = apps
        self._find = find
        self._domain = domain

    def routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        """Method, rule below /apps, and view."""
        certificates = "/<name>/certificates"
        return [
            ("GET", certificates, self.list_certificates),
            ("POST", f"{certificates}/custom", self.import_certificate),
            ("GET", f"{certificates}/<hostname>", self.get_certificate),
            ("POST", f"{certificates}/<hostname>/check", self.check_certificate),
            ("DELETE", f"{certificates}/<hostname>", self.delete_certificate),
        ]

    def list_certificates(self, name: str) -> Answer:
        """An app's certificates, a page of them, narrowed by a part of their host names."""
        app, asked = self._find(name), flask.request.args
        limit = asked.get("limit", str(_PAGE))
        if not limit.isdecimal() or not 1 <= int(limit) <= _LONGEST_PAGE:
            raise RefusalError(HTTPStatus.BAD_REQUEST, "invalid_argument: limit")
        found = [one for name, one in sorted(app.certificates.items()) if asked.get("filter", "") in name]
        after = [one for one in found if one.hostname > asked.get("cursor", "")]
        page = after[: int(limit)]
        cursor = page[-1].hostname if len(after) > len(page) else ""
        listed = [self._summary(app, one) for one in page]
        return {"certificates": listed, "total_count": len(found), "next_cursor": cursor}, HTTPStatus.OK

    def import_certificate(self, name: str) -> Answer:
        """Give an app a certificate for a host name, or another one."""
        app = self._find(name)
        asked = read_body(ImportCertificate)
        try:
            certificate = read_certificate(asked.hostname, asked.fullchain, asked.private_key)
        except InvalidCertificateError as error:
            raise RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, f"Validation failed: {error}") from None
        app.certificates[certificate.hostname] = certificate
        return self._detail(app, certificate), HTTPStatus.CREATED

    def get_certificate(self, name: str, hostname: str) -> Answer:
        """An app's certificate for a host name."""
        app = self._find(name)
        return self._detail(app, _certificate(app, hostname)), HTTPStatus.OK

    def check_certificate(self, name: str, hostname: str) -> Answer:
        """The same, with what DNS says."""
        app = self._find(name)
        detail = self._detail(app, _certificate(app, hostname))
        proof = detail["dns_requirements"]["ownership"]["app_value"] if detail["configured"] else ""
        return detail | {"dns_records": {"ownership_txt": proof}}, HTTPStatus.OK

    def delete_certificate(self, name: str, hostname: str) -> Answer:
        """Take a host name from an app."""
        app = self._find(name)
        del app.certificates[_certificate(app, hostname).hostname]
        return "", HTTPStatus.NO_CONTENT

    def _summary(self, app: App, certificate: Certificate) -> dict[str, Any]:
        proven = self._apps.is_proven(certificate.hostname, app)
        return {
            "hostname": certificate.hostname,
            "configured": proven,
            "acme_requested": False,
            "status": "active" if proven else "pending_ownership",
            "dns_provider": "",
            "has_custom_certificate": True,
            "has_fly_certificate": False,
            "ownership_txt_configured": proven,
            "created_at": certificate.created_at,
            "updated_at": certificate.created_at,
        }

    def _detail(self, app: App, certificate: Certificate) -> dict[str, Any]:
        summary = self._summary(app, certificate)
        told = ("hostname", "configured", "acme_requested", "status", "dns_provider")
        proven = summary["configured"]
        return {
            **{field: summary[field] for field in told},
            "certificates": [certificate.describe(summary["status"])],
            "validation": {
                "dns_configured": proven,
                "alpn_configured": False,
                "http_configured": False,
                "ownership_txt_configured": proven,
            },
            "dns_requirements": self._requirements(app, certificate.hostname.removeprefix("*.")),
            "validation_errors": [],
        }

    def _requirements(self, app: App, hostname: str) -> dict[str, Any]:
        addresses = [ip["ip"] for ip in app.ips if not ip["ip"].startswith("fdaa:")]
        return {
            "a": [address for address in addresses if ":" not in address],
            "aaaa": [address for address in addresses if ":" in address],
            "cname": f"{app.id}.{app.name}.{self._domain}",
            "acme_challenge": {"name": f"_acme-challenge.{hostname}", "target": f"{hostname}.{app.id}.flydns.net"},
            "ownership": {
                "name": f"_fly-ownership.{hostname}",
                "app_value": f"app-{app.id}",
                "org_value": f"org-{app.organization}",
            },
        }


def _certificate(app: App, hostname: str) -> Certificate:
    found = app.certificates.get(hostname)
    if found is None:
        raise RefusalError(HTTPStatus.NOT_FOUND, "Could not find Certificate")
    return found
