"""Options that several commands share, and how a wrong one is told."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

import typer
from pydantic import ValidationError

from prestage_contracts.envelope import EnvironmentType

StackName = Annotated[
    str,
    typer.Option("--stack", envvar="PRESTAGE_STACK", help="The CloudFormation stack that Prestage was deployed as."),
]
AppReference = Annotated[
    str, typer.Argument(metavar="APP", help="The app's name, its id, or owner/repository:name where names repeat.")
]
Type = Annotated[EnvironmentType, typer.Option("--type", help="The environments that it is for.")]

DEFAULT_STACK = "prestage"


@contextmanager
def checking(options: Mapping[str, str]) -> Iterator[None]:
    """Tell what a model refuses as a wrong option.

    Args:
        options: by the model's field, what to say where pydantic's words are not enough: the option, a colon, and
            what it takes.

    Raises:
        typer.BadParameter: something was refused.
    """
    try:
        yield
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        raise typer.BadParameter("; ".join(_describe(one["loc"], one["msg"], options) for one in found)) from None


def _describe(location: tuple[int | str, ...], message: str, options: Mapping[str, str]) -> str:
    names = [step for step in location if isinstance(step, str)]  # the others are places in a list
    field = names[-1] if names else ""
    return options.get(field) or f"--{field.replace('_', '-')}: {message.removeprefix('Value error, ')}"
