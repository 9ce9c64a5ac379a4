"""From what a rule delivers to a value: what is not known is told as such, and only what is broken is an error."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from prestage_contracts.envelope import Event, Frozen


class MalformedEventError(Exception):
    """What was delivered is no event of EventBridge's, or breaks the contract of the event that it says it is.

    The text names each field that is wrong and says why.
    """


class Unknown(Frozen):
    """An event that this release of the contract does not know: another name, another major version, another source.

    `version` is what `detail.metadata` says; None where it says none.
    """

    name: str
    source: str
    version: str | None
    detail: dict[str, Any]


class _Delivered(Frozen):
    """What of EventBridge's envelope tells events apart."""

    name: Annotated[str, Field(alias="detail-type")]
    source: str
    detail: dict[str, Any]

    @property
    def version(self) -> str | None:
        match self.detail:
            case {"metadata": {"version": str(version)}}:
                return version
        return None


def parsed(event: Mapping[str, Any], models: Mapping[tuple[str, str], type[Event]]) -> Event | Unknown:
    """The event as one of `models`, which are by name and major version.

    Raises:
        MalformedEventError: it is no event, or not what it says it is.
    """
    told = _validated(_Delivered, event, "")
    model = models.get((told.name, (told.version or "").split(".", 1)[0]))
    if model and model.is_from(told.source):
        return _validated(model, told.detail, "detail.")
    if told.version is None and any(each.name() == told.name and each.is_from(told.source) for each in models.values()):
        raise MalformedEventError("detail.metadata.version: Field required")
    return Unknown(name=told.name, source=told.source, version=told.version, detail=told.detail)


def _validated[Model: Frozen](model: type[Model], value: Any, where: str) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)
        told = (f"{where}{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in wrong)
        raise MalformedEventError("; ".join(told)) from None
