"""Templates as plain data: parsed, with a value for each parameter, and with intrinsic functions resolved."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

type Template = dict[str, Any]
"""A template as plain data, its intrinsic functions in their long form."""


class TemplateError(Exception):
    """The template, or a parameter given for it, is not what the stage can deploy; the text says what to change."""


class _Loader(yaml.CSafeLoader):
    """YAML with CloudFormation's short forms: `!GetAtt Bus.Arn` and the like."""


def _short_form(loader: _Loader, name: str, node: yaml.Node) -> Any:
    value: Any
    match node:
        case yaml.ScalarNode():
            value = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case yaml.MappingNode():
            value = loader.construct_mapping(node, deep=True)
        case _:
            raise TemplateError(f"!{name} at {node.start_mark}: not understood")
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _short_form)


def parse(text: str) -> Template:
    """The template in a YAML document.

    Raises:
        TemplateError: the document is no template.
    """
    loader = _Loader(text)
    try:
        template = loader.get_single_data()
    finally:
        loader.dispose()
    if not isinstance(template, dict) or "Resources" not in template:
        raise TemplateError("a template has Resources")
    return template


def load(path: Path) -> Template:
    """The template in a file.

    Raises:
        TemplateError: the file is no template.
    """
    return parse(path.read_text(encoding="utf-8"))


def parameter_values(template: Template, given: Mapping[str, str]) -> dict[str, str]:
    """A value for each of the template's parameters: the given one, or the default.

    Raises:
        TemplateError: one has no value, or one that the template does not allow, or is not the template's.
    """
    declared: Mapping[str, Mapping[str, Any]] = template.get("Parameters", {})
    unknown = sorted(given.keys() - declared.keys())
    if unknown:
        raise TemplateError(f"the template has no parameter {', '.join(unknown)}")
    return {name: _parameter(name, rules, given.get(name)) for name, rules in declared.items()}


def _parameter(name: str, rules: Mapping[str, Any], given: str | None) -> str:
    value = rules.get("Default") if given is None else given
    if value is None:
        raise TemplateError(f"the parameter {name} needs a value")
    text = _text(value)
    allowed = [_text(choice) for choice in rules.get("AllowedValues", [text])]
    if text not in allowed:
        raise TemplateError(f"the parameter {name} is one of {', '.join(allowed)}")
    if not re.fullmatch(rules.get("AllowedPattern", r"(?s).*"), text):
        raise TemplateError(f"the parameter {name} must match {rules['AllowedPattern']}")
    if rules.get("Type") == "Number":
        _check_number(name, rules, text)
    return text


def _check_number(name: str, rules: Mapping[str, Any], text: str) -> None:
    try:
        number = float(text)
    except ValueError:
        raise TemplateError(f"the parameter {name} is a number") from None
    if not float(rules.get("MinValue", "-inf")) <= number <= float(rules.get("MaxValue", "inf")):
        raise TemplateError(f"the parameter {name} lies from {rules.get('MinValue')} to {rules.get('MaxValue')}")


_NOTHING = object()
"""What `Ref: AWS::NoValue` leaves behind, until it is taken out of what it stands in."""

_VARIABLE = re.compile(r"\$\{(!?)([^${}]+)\}")


class Intrinsics:
    """Resolves intrinsic functions.

    Args:
        values: what parameters and pseudo parameters stand for.
        conditions: the template's Conditions.
        lookup: gives a resource's `Ref`, or with a second argument that attribute of it.
    """

    def __init__(
        self,
        values: Mapping[str, str],
        conditions: Mapping[str, Any],
        lookup: Callable[[str, str | None], str],
    ) -> None:
        self._values = values
        self._conditions = conditions
        self._lookup = lookup
        self._functions: Mapping[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::If": self._if,
            "Fn::Equals": self._equals,
            "Fn::Not": lambda operands: not self._truth(operands[0]),
            "Fn::And": lambda operands: all(map(self._truth, operands)),
            "Fn::Or": lambda operands: any(map(self._truth, operands)),
        }

    def resolve(self, value: Any) -> Any:
        """`value` with every intrinsic function in it replaced by what it stands for.

        Raises:
            TemplateError: a function, or what it refers to, is not known.
        """
        match value:
            case dict():
                return self._call_or_map(value)
            case list():
                return [kept for kept in map(self.resolve, value) if kept is not _NOTHING]
            case _:
                return value

    def holds(self, condition: str) -> bool:
        """Whether the template's condition of that name holds.

        Raises:
            TemplateError: there is none.
        """
        if condition not in self._conditions:
            raise TemplateError(f"the template has no condition {condition}")
        return self._truth(self._conditions[condition])

    def _call_or_map(self, value: Mapping[str, Any]) -> Any:
        if len(value) == 1:
            [(name, operand)] = value.items()
            if name in self._functions:
                return self._functions[name](operand)
            if name.startswith("Fn::"):
                raise TemplateError(f"{name} is not resolved here: add it to Intrinsics in prestage/stage/template.py")
        resolved = {name: self.resolve(kept) for name, kept in value.items()}
        return {name: kept for name, kept in resolved.items() if kept is not _NOTHING}

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        return self._values[name] if name in self._values else self._lookup(name, None)

    def _get_att(self, operand: list[str] | str) -> str:
        resource, attribute = operand.split(".", 1) if isinstance(operand, str) else operand
        return self._lookup(resource, attribute)

    def _sub(self, operand: str | list[Any]) -> str:
        text, own = (operand, {}) if isinstance(operand, str) else operand

        def replace(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in own:
                return _text(self.resolve(own[name]))
            return _text(self._get_att(name) if "." in name else self._ref(name))

        return _VARIABLE.sub(replace, text)

    def _join(self, operand: list[Any]) -> str:
        delimiter, parts = operand
        return str(delimiter).join(map(_text, self.resolve(parts)))

    def _select(self, operand: list[Any]) -> Any:
        index, choices = operand
        return self.resolve(choices)[int(self.resolve(index))]

    def _split(self, operand: list[Any]) -> list[str]:
        delimiter, text = operand
        return str(self.resolve(text)).split(delimiter)

    def _if(self, operand: list[Any]) -> Any:
        condition, then, otherwise = operand
        return self.resolve(then if self.holds(condition) else otherwise)

    def _equals(self, operand: list[Any]) -> bool:
        left, right = map(self.resolve, operand)
        return _text(left) == _text(right)

    def _truth(self, expression: Mapping[str, Any]) -> bool:
        if "Condition" in expression:
            return self.holds(expression["Condition"])
        return bool(self.resolve(expression))


def _text(value: Any) -> str:
    """A scalar as CloudFormation writes it: YAML's true is `true`."""
    return str(value).lower() if isinstance(value, bool) else str(value)
