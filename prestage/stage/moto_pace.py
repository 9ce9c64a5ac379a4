"""moto, with a shorter way to what it answers: the longer one is up to a seventh of the time of tests and of the stage.

It comes to the same: tests/unit/test_moto_pace.py.
"""

from typing import Any

from moto.core import responses
from moto.core.serialize import AttributePickerContext, XFormedAttributePicker

_TYPES = frozenset({"B", "BOOL", "BS", "L", "M", "N", "NS", "NULL", "S", "SS"})
"""Of DynamoDB's attribute values, each of which has one: `AttributeValue` in the API's reference."""


class _Picker(XFormedAttributePicker):
    """Takes it that an attribute value has no type that it does not have under the type's own name.

    moto looks for each of the others under seven names, for each value in an answer.
    """

    def __call__(self, context: AttributePickerContext) -> Any:
        service = context.service_model.service_name if context.service_model else None
        if service == "dynamodb" and context.key in _TYPES and type(context.obj) is dict:
            return context.obj.get(context.key)
        return super().__call__(context)


def hurry() -> None:
    """Have moto take the shorter way, in this process."""
    responses.XFormedAttributePicker = _Picker  # type: ignore[attr-defined]  # in its place
