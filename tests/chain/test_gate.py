"""Previews whose visitors have to give a password."""

import httpx

from tests.chain.world import World


def test_a_preview_asks_for_its_own_password_before_and_after_a_push(world: World) -> None:
    place = world.place("storefront", authentication="basic")
    place.run()
    first = place.environment()
    password = place.stage.stack.password(first)
    assert place.stage.fetch(first.address).status_code == httpx.codes.UNAUTHORIZED
    assert first.sha in place.stage.fetch(first.address, password=password).text
    place.push()
    place.settle()
    assert place.stage.fetch(first.address, password="another").status_code == httpx.codes.UNAUTHORIZED
    assert place.environment().sha in place.stage.fetch(first.address, password=password).text
    assert password not in str(place.facts()) + str(world.logged)
