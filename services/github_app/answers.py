"""What GitHub's API answers, as far as it is read: https://docs.github.com/en/rest."""

import json
from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, RootModel, SecretStr

type DeploymentState = Literal["queued", "pending", "in_progress", "success", "failure", "error", "inactive"]
"""What a deployment can be said to be. A transient one that is inactive is shown as destroyed."""


class _Lenient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, defer_build=True)


class Page[T](RootModel[tuple[T, ...]]):
    """A page of a list."""

    model_config = ConfigDict(hide_input_in_errors=True, defer_build=True)


class Problem(_Lenient):
    """An error. Its details come as objects or as strings."""

    message: str = ""
    errors: tuple[str | dict[str, Any], ...] = ()


def _absent_is[T](default: T) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


class _Id(_Lenient):
    id: int


class _User(_Lenient):
    login: str = ""
    type: str = ""


_NOBODY = _User()
_GHOST = _User(login="ghost", type="User")
"""Who GitHub's pages show in the place of a deleted account."""


class Comment(_Lenient):
    """A comment of an issue or a pull request."""

    id: int
    html_url: str
    body: Annotated[str, _absent_is("")] = ""
    user: Annotated[_User, _absent_is(_NOBODY)] = _NOBODY

    @property
    def author_login(self) -> str:
        """Who wrote it; an App's login ends with `[bot]`. Empty for a deleted account."""
        return self.user.login

    @property
    def author_type(self) -> str:
        """`User` or `Bot`, among others. Empty for a deleted account."""
        return self.user.type


class Repository(_Lenient):
    """A repository, under the name that it has now."""

    id: int
    full_name: str
    default_branch: str


class Installation(_Lenient):
    """The App's installation for an account."""

    id: int


class InstallationToken(_Lenient):
    """A token of the App's installation, good until `expires_at`."""

    token: SecretStr
    expires_at: AwareDatetime


class Head(_Lenient):
    """The branch that a pull request comes from (`ref`) and its newest commit; `repo` is None for a deleted fork's."""

    ref: str
    sha: str
    repo: _Id | None


class Base(_Lenient):
    """The branch that a pull request goes to (`ref`), and the repository that it is of (`repo`)."""

    ref: str
    repo: Repository


class _Label(_Lenient):
    name: str


class PullRequest(_Lenient):
    """A pull request as it is now. `updated_at` is in whole seconds."""

    number: int
    title: str
    html_url: str
    state: Literal["open", "closed"]
    merged: Annotated[bool, _absent_is(False)] = False
    draft: bool = False
    user: Annotated[_User, _absent_is(_GHOST)] = _GHOST
    head: Head
    base: Base
    labels: tuple[_Label, ...] = ()
    updated_at: AwareDatetime

    @property
    def author(self) -> str:
        """Who opened it; `ghost` for a deleted account."""
        return self.user.login

    @property
    def author_type(self) -> str:
        """`User` or `Bot`, among others."""
        return self.user.type

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of its labels."""
        return tuple(label.name for label in self.labels)


class Commit(_Lenient):
    """A commit."""

    sha: str


class Branch(_Lenient):
    """A branch and its newest commit."""

    name: str
    commit: Commit


class Collaborator(_Lenient):
    """What somebody may do in a repository: `admin`, `write`, `read` or `none`."""

    permission: str


def _object(value: Any) -> Any:
    """What was given as a deployment's payload comes back as an object or as its JSON text."""
    if not isinstance(value, str):
        return value or {}
    try:
        found = json.loads(value)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class Deployment(_Lenient):
    """A deployment. `ref` is as it was asked for, `sha` the commit; `payload` is empty where it was no JSON object."""

    id: int
    sha: str
    ref: str
    environment: str
    payload: Annotated[dict[str, Any], BeforeValidator(_object)] = {}
    creator: Annotated[_User, _absent_is(_NOBODY)] = _NOBODY
    created_at: AwareDatetime

    @property
    def creator_login(self) -> str:
        """Who made it; an App's login ends with `[bot]`. Empty for a deleted account."""
        return self.creator.login


class DeploymentStatus(_Lenient):
    """What a deployment was said to be. `state` is a `DeploymentState`, among what may come."""

    id: int
    state: str
    description: Annotated[str, _absent_is("")] = ""
    environment_url: Annotated[str, _absent_is("")] = ""
    log_url: Annotated[str, _absent_is("")] = ""
    created_at: AwareDatetime


class Delivery(_Lenient):
    """An attempt to deliver a webhook. Attempts at the same event share its `guid`; `redelivery` tells later ones."""

    id: int
    guid: str
    delivered_at: AwareDatetime
    redelivery: bool
    status_code: int
    event: str
    action: str | None = None
    installation_id: int | None = None
    repository_id: int | None = None

    @property
    def succeeded(self) -> bool:
        """Whether it was taken, as GitHub counts it."""
        return HTTPStatus.OK <= self.status_code < HTTPStatus.BAD_REQUEST
