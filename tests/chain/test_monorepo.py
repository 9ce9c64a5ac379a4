"""Several apps in one repository."""

import pytest

from tests.chain.world import FOR_A_WHILE, World

TWENTY = [f"app-{number:02}" for number in range(20)]


@pytest.mark.parametrize("parallel", [False, True])
def test_two_apps_are_two_environments_and_one_comment_with_two_rows(world: World, parallel: bool) -> None:
    place = world.place("storefront", "api")
    place.open()
    place.stage.settle(parallel=parallel)
    place.stage.settle_through(FOR_A_WHILE)
    assert [environment.app_name for environment in place.environments()] == ["api", "storefront"]
    assert len({environment.address for environment in place.environments()}) == 2
    [comment] = place.comments()
    assert all(environment.address in comment.body for environment in place.environments())
    assert len(place.facts("EnvironmentCreated")) == len(place.facts("RuntimeRequested")) == 2
    assert len(place.fly_apps()) == len(place.machine_ids()) == 2


def test_twenty_apps_cost_at_most_five_writes_of_the_comment(world: World) -> None:
    place = world.place(*TWENTY, start="exit 0")
    place.open()
    place.stage.settle(parallel=True)
    place.stage.settle_through(FOR_A_WHILE)
    [comment] = place.comments()
    assert all(f"`{name}`" in comment.body for name in TWENTY)
    assert place.comment_writes() <= 5
    assert len(place.facts("RuntimeRequested")) == 20
    shown = {row["environment_id"] for fact in place.facts("PrCommented") for row in fact["detail"]["data"]["shows"]}
    assert len(shown) == 20


def test_each_app_has_its_own_secrets_and_its_own_folder(world: World) -> None:
    place = world.place("storefront", "api", directory="api")
    sha = place.repository.branch("teal", {"api/headline.txt": "The API\n", "api/colour.txt": "teal\n"})
    place.repository.git("checkout", "--quiet", "teal")
    place.repository.git("mv", "server.py", "api/server.py")
    sha = place.repository.commit({}, "Move it")
    place.repository.git("checkout", "--quiet", "main")
    storefront, api = sorted(place.apps, key=lambda app: app.name, reverse=True)
    place.stage.stack.secrets.set(api.id, "preview", "API_KEY", "the api's")
    place.stage.github.open_pull_request(place.full_name, branch="teal", title="Two folders")
    place.settle()
    names = {
        fact["detail"]["data"]["environment"]["app_name"]: fact["detail"]["data"]["names"]
        for fact in place.facts("SecretsResolved")
    }
    assert names == {"storefront": [], "api": ["API_KEY"]}
    environments = {environment.app_id: environment for environment in place.environments()}
    for app in (storefront, api):
        answer = place.stage.fetch(environments[app.id].address)
        assert "The API" in answer.text
        assert sha in answer.text
