"""The functions that `sam build` made."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prestage.stage.template import load

_COMPILED_FOR = re.compile(r"-(x86_64|aarch64)-linux-gnu\.so$")
_ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}


@dataclass(frozen=True)
class BuiltFunction:
    """A function of the built template; `folder` is its package."""

    logical_id: str
    handler: str
    runtime: str
    folder: Path


def built_functions(template: Path) -> dict[str, BuiltFunction]:
    """The functions of the template that `sam build` wrote, by logical id."""
    parsed = load(template)
    common = parsed.get("Globals", {}).get("Function", {})
    return {
        name: _built(name, {**common, **resource["Properties"]}, template.parent)
        for name, resource in parsed["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def _built(name: str, properties: Mapping[str, Any], folder: Path) -> BuiltFunction:
    return BuiltFunction(name, properties["Handler"], properties["Runtime"], folder / properties["CodeUri"])


def architectures(package: Path) -> set[str]:
    """What its compiled modules are for, in Lambda's words (`arm64`, `x86_64`): the template does not say."""
    found = (_COMPILED_FOR.search(path.name) for path in package.rglob("*.so"))
    return {_ARCHITECTURES[one[1]] for one in found if one}
