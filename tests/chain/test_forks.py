"""What a stranger's pull request gets."""

from typing import Any

import pytest

from tests.chain.world import Place, World


def with_secret(place: Place) -> Place:
    place.stage.stack.secrets.set(place.apps[0].id, "preview", "API_KEY", "not for strangers")
    return place


def test_a_forks_pull_request_gets_no_preview_and_the_reason_is_stated(world: World) -> None:
    place = with_secret(world.place("storefront"))
    place.run(fork=True)
    assert place.names() == ["PrCommented", "PreviewSkipped", "PullRequestOpened"]
    [comment] = place.comments()
    assert "Skipped: `Pull requests from forks get no preview" in comment.body
    skipped = place.data("PreviewSkipped")
    assert (skipped["app_id"], skipped["reason"]["code"]) == (place.apps[0].id, "fork")
    assert place.environments() == []


@pytest.mark.parametrize(("forks", "how"), [("without_secrets", {"fork": True}), ("ignore", {"author_type": "Bot"})])
def test_a_strangers_code_runs_without_secrets(world: World, forks: str, how: dict[str, Any]) -> None:
    place = with_secret(world.place("storefront", forks=forks))
    place.run(**how)
    assert place.data("SecretsResolved")["names"] == []
    assert place.shown()["commit"] == place.environment().sha
    assert "API_KEY" not in place.stage.fly.process_environment(place.machine_id())


def test_a_forks_branch_called_main_is_a_preview_like_any_other(world: World) -> None:
    place = world.place("storefront", forks="without_secrets")
    place.stage.github.open_pull_request(place.full_name, branch="main", title="From my fork's main", fork=True)
    place.settle()
    assert place.environment().type == "preview"
    assert place.shown()["commit"] == place.repository.git("rev-parse", "main")
