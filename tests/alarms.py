"""Alarms, worked out on what was measured, as if all of it were one period: CloudWatch does it for many, one by one."""

import ast
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple


class Metric(NamedTuple):
    """A metric, by what CloudWatch knows it by."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> "Metric":
        """The metric of an alarm, or of one of those that it counts with."""
        dimensions = frozenset((one["Name"], one["Value"]) for one in described.get("Dimensions", ()))
        return cls(described["Namespace"], described["MetricName"], dimensions)


type Data = Mapping[Metric, Sequence[float]]

STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Maximum": max,
    "Minimum": min,
    "SampleCount": len,
    "Sum": sum,
}
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
}


def metrics_of(alarm: Mapping[str, Any]) -> list[Metric]:
    """What an alarm looks at."""
    if "MetricName" in alarm:
        return [Metric.of(alarm)]
    return [Metric.of(one["MetricStat"]["Metric"]) for one in alarm["Metrics"] if "MetricStat" in one]


def embedded(lines: Iterable[str]) -> Data:
    """The values in log lines of the embedded metric format."""
    found: dict[Metric, list[float]] = defaultdict(list)
    for line in lines:
        if '"_aws"' in line:
            for metric, values in _embedded(json.loads(line)):
                found[metric] += values
    return found


def _embedded(told: Mapping[str, Any]) -> Iterator[tuple[Metric, list[float]]]:
    for directive in told["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = frozenset((name, told[name]) for name in names)
            for one in directive["Metrics"]:
                yield Metric(directive["Namespace"], one["Name"], dimensions), told[one["Name"]]


def goes_off(alarm: Mapping[str, Any], data: Data) -> bool:
    """Whether the alarm would go off if every period were like this."""
    value = _value(alarm, data)
    if value is None:
        return bool(alarm["TreatMissingData"] == "breaching")
    return COMPARISONS[alarm["ComparisonOperator"]](value, float(alarm["Threshold"]))


def _value(alarm: Mapping[str, Any], data: Data) -> float | None:
    if "MetricName" in alarm:
        return _statistic(Metric.of(alarm), alarm["Statistic"], data)
    counted = [one for one in alarm["Metrics"] if "MetricStat" in one]
    values = {
        one["Id"]: _statistic(Metric.of(one["MetricStat"]["Metric"]), one["MetricStat"]["Stat"], data)
        for one in counted
    }
    [expression] = [one["Expression"] for one in alarm["Metrics"] if "Expression" in one]
    worked_out = _Math(values).value(ast.parse(expression, mode="eval").body)
    assert not isinstance(worked_out, list)
    return worked_out


def _statistic(metric: Metric, statistic: str, data: Data) -> float | None:
    values = data.get(metric)
    return STATISTICS[statistic](values) if values else None


type _Value = float | list[float | None] | None


class _Math:
    """The part of CloudWatch's metric math that is used here, which reads like Python's."""

    def __init__(self, values: Mapping[str, float | None]) -> None:
        self._values = values

    def value(self, node: ast.expr) -> _Value:
        match node:
            case ast.Constant(value=int(number)):
                return number
            case ast.Name(id=name):
                return self._values[name]
            case ast.BinOp(left=left, op=op, right=right):
                return self._combine(op, self.value(left), self.value(right))
            case ast.Compare(left=left, ops=[ast.GtE()], comparators=[right]):
                return float(self._number(left) >= self._number(right))
            case ast.Call(func=ast.Name(id=name), args=args):
                return self._call(name, args)
        raise AssertionError(ast.unparse(node))

    def _call(self, name: str, args: Sequence[ast.expr]) -> _Value:
        if name == "METRICS":
            return list(self._values.values())
        if name == "IF":
            return self.value(args[1] if self._number(args[0]) else args[2])
        values = self.value(args[0])
        if name == "FILL":
            filling = self._number(args[1])
            return [_or(value, filling) for value in values] if isinstance(values, list) else _or(values, filling)
        assert isinstance(values, list)
        known = [value for value in values if value is not None]
        return STATISTICS[{"MAX": "Maximum", "SUM": "Sum"}[name]](known) if known else None

    def _number(self, node: ast.expr) -> float:
        value = self.value(node)
        assert isinstance(value, int | float)
        return value

    def _combine(self, op: ast.operator, left: _Value, right: _Value) -> float | None:
        assert not isinstance(left, list)
        assert not isinstance(right, list)
        if left is None or right is None:
            return None
        match op:
            case ast.Add():
                return left + right
            case ast.Mult():
                return left * right
            case ast.Div():
                return left / right
        raise AssertionError(op)


def _or(value: float | None, filling: float) -> float:
    return filling if value is None else value
