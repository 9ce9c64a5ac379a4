"""Which Fly.io apps are this stack's: those in its organisation, each on the private network of its own name."""

from dataclasses import dataclass
from http import HTTPStatus

from choreography.reaction import RefusedError
from fly_io.client import Fly, FlyApp, FlyRefused


class NotOursError(RefusedError):
    """The app of that name is somebody else's, and is not touched.

    Args:
        name: the app's.
        told: whether Fly said whose it is; if not, it may be ours after all.
    """

    def __init__(self, name: str, *, told: bool) -> None:
        super().__init__("name_taken", f"The Fly.io app {name} is not this stack's: it is not touched")
        self.told = told


@dataclass(frozen=True)
class OurApps:
    """The apps of one organisation."""

    fly: Fly
    organization: str

    def find(self, name: str) -> FlyApp | None:
        """The app of that name, or None.

        Raises:
            NotOursError: it is somebody else's.
        """
        try:
            found = self.fly.get_app(name)
        except FlyRefused as error:
            if error.status == HTTPStatus.FORBIDDEN:
                raise NotOursError(name, told=True) from None
            raise
        if found and (found.organization_slug != self.organization or found.network != name):
            raise NotOursError(name, told=bool(found.organization_slug and found.network))
        return found
