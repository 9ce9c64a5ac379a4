"""The page that leads a browser to GitHub, to register an App, and takes the code that it comes back with."""

import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import httpx

from prestage.manifest import Handshake

WEBHOOKS = "https://api.example.com/webhooks/github"


def attribute(pattern: str, page: str) -> str:
    """What the page has there."""
    found = re.search(pattern, page)
    assert found is not None
    return html.unescape(found[1])


def got(made: Handshake, path: str) -> int:
    """The status of a path on the page's server."""
    return httpx.get(f"http://127.0.0.1:{urlsplit(made.url).port}{path}", trust_env=False).status_code


@contextmanager
def handshake() -> Iterator[Handshake]:
    with Handshake("https://github.example.com", "a/b", name="x", webhook_url=WEBHOOKS) as made:
        yield made


def test_a_code_that_nobody_asked_for_is_not_taken() -> None:
    with handshake() as made:
        for query in ("", "?code=planted", "?code=planted&state=guessed", "?state=guessed"):
            assert got(made, f"/registered{query}") == 400
        assert (got(made, "/"), got(made, "/elsewhere")) == (404, 404)
        assert made.code(0) is None


def test_the_first_code_that_comes_is_the_one() -> None:
    with handshake() as made:
        form = attribute(r'action="([^"]*)"', httpx.get(made.url, trust_env=False).text)
        state = parse_qs(urlsplit(form).query)["state"][0]
        assert [got(made, f"/registered?code={code}&state={state}") for code in ("ours", "theirs")] == [200, 400]
        assert made.code(0) == "ours"


def test_another_site_s_name_that_leads_here_is_told_nothing() -> None:
    with handshake() as made:
        answer = httpx.get(made.url, headers={"Host": "evil.example.com"}, trust_env=False)
        assert (answer.status_code, "state=" in answer.text) == (421, False)


def test_the_page_leads_to_the_organisations_settings_with_what_the_app_needs() -> None:
    with handshake() as made:
        page = httpx.get(made.url, trust_env=False)
        target = urlsplit(attribute(r'action="([^"]*)"', page.text))
        manifest = json.loads(attribute(r'value="([^"]*)"', page.text))
        assert target.path == "/organizations/a%2Fb/settings/apps/new"
        assert len(parse_qs(target.query)["state"][0]) >= 32
        assert manifest["hook_attributes"] == {"url": WEBHOOKS, "active": True}
        assert manifest["redirect_url"] == f"http://127.0.0.1:{urlsplit(made.url).port}/registered"
        assert manifest["public"] is False
        assert "default-src 'none'" in page.headers["content-security-policy"]
