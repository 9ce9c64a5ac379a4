"""Patterns that the stage's bus does not take: operators that it does not know, and malformed ones."""

import json
from typing import Any

import pytest

from prestage.stage.event_pattern import MAX_CHARACTERS, PatternError, compile_pattern

REFUSED: list[tuple[dict[str, Any], str, str | None]] = [
    ({"source": [{"contains": "x"}]}, "source", "contains"),
    ({"source": [{"regex": ".*"}]}, "source", "regex"),
    ({"source": [{"Prefix": "x"}]}, "source", "Prefix"),
    ({"source": [{"exactly": "x"}]}, "source", "exactly"),
    ({"detail": {"data": {"app": [{"matches": "x"}]}}}, "detail.data.app", "matches"),
    ({"$or": [{"source": ["a"]}, {"detail": {"x": [{"near": 1}]}}]}, "detail.x", "near"),
    ({}, "", None),
    ({"detail": {}}, "detail", None),
    ({"source": []}, "source", None),
    ({"source": "prestage"}, "source", None),
    ({"source": None}, "source", None),
    ({"detail": {"hop": 1}}, "detail.hop", None),
    ({"source": [["a"]]}, "source", None),
    ({"source": [{}]}, "source", ""),
    ({"source": [{"prefix": "a", "suffix": "b"}]}, "source", "prefix, suffix"),
    ({"source": [{"exists": False, "prefix": "b"}]}, "source", "exists, prefix"),
    ({"source": [{"prefix": 1}]}, "source", "prefix"),
    ({"source": [{"prefix": ["a"]}]}, "source", "prefix"),
    ({"source": [{"prefix": {"wildcard": "a*"}}]}, "source", "prefix"),
    ({"source": [{"prefix": {"equals-ignore-case": 1}}]}, "source", "prefix"),
    ({"source": [{"prefix": {}}]}, "source", "prefix"),
    ({"source": [{"suffix": None}]}, "source", "suffix"),
    ({"source": [{"suffix": {"prefix": "a"}}]}, "source", "suffix"),
    ({"source": [{"equals-ignore-case": ["a"]}]}, "source", "equals-ignore-case"),
    ({"source": [{"wildcard": "a**b"}]}, "source", "wildcard"),
    ({"source": [{"wildcard": r"a\b"}]}, "source", "wildcard"),
    ({"source": [{"wildcard": "a\\"}]}, "source", "wildcard"),
    ({"source": [{"wildcard": 5}]}, "source", "wildcard"),
    ({"source": [{"anything-but": []}]}, "source", "anything-but"),
    ({"source": [{"anything-but": ["a", 1]}]}, "source", "anything-but"),
    ({"source": [{"anything-but": [True]}]}, "source", "anything-but"),
    ({"source": [{"anything-but": None}]}, "source", "anything-but"),
    ({"source": [{"anything-but": {"numeric": ["=", 1]}}]}, "source", "anything-but"),
    ({"source": [{"anything-but": {"prefix": ""}}]}, "source", "anything-but"),
    ({"source": [{"anything-but": {"suffix": ["a", ""]}}]}, "source", "anything-but"),
    ({"source": [{"anything-but": {"prefix": []}}]}, "source", "anything-but"),
    ({"source": [{"anything-but": {"prefix": 1}}]}, "source", "anything-but"),
    ({"source": [{"anything-but": {"prefix": "a", "suffix": "b"}}]}, "source", "anything-but"),
    ({"source": [{"anything-but": {"wildcard": "a**"}}]}, "source", "anything-but"),
    ({"source": [{"anything-but": {"prefix": {"equals-ignore-case": "a"}}}]}, "source", "anything-but"),
    ({"source": [{"anything-but": {}}]}, "source", "anything-but"),
    ({"source": [{"anything-but": 6e9}]}, "source", "anything-but"),
    ({"hop": [{"numeric": 5}]}, "hop", "numeric"),
    ({"hop": [{"numeric": []}]}, "hop", "numeric"),
    ({"hop": [{"numeric": ["="]}]}, "hop", "numeric"),
    ({"hop": [{"numeric": ["==", 5]}]}, "hop", "numeric"),
    ({"hop": [{"numeric": [["="], 5]}]}, "hop", "numeric"),
    ({"hop": [{"numeric": ["=", "5"]}]}, "hop", "numeric"),
    ({"hop": [{"numeric": ["=", True]}]}, "hop", "numeric"),
    ({"hop": [{"numeric": ["=", 5, "<", 6]}]}, "hop", "numeric"),
    ({"hop": [{"numeric": ["<", 5, ">", 1]}]}, "hop", "numeric"),
    ({"hop": [{"numeric": [">", 5, "<", 1]}]}, "hop", "numeric"),
    ({"hop": [{"numeric": [">", 5, "<"]}]}, "hop", "numeric"),
    ({"hop": [{"numeric": [">", 5, "<", 6, "<", 7]}]}, "hop", "numeric"),
    ({"hop": [{"numeric": ["<", 5_000_000_001]}]}, "hop", "numeric"),
    ({"ip": [{"cidr": "10.0.0.0"}]}, "ip", "cidr"),
    ({"ip": [{"cidr": "10.0.0.0/33"}]}, "ip", "cidr"),
    ({"ip": [{"cidr": "10.0.0.0/32"}]}, "ip", "cidr"),
    ({"ip": [{"cidr": "10.0.0.5/24"}]}, "ip", "cidr"),
    ({"ip": [{"cidr": "example.org/24"}]}, "ip", "cidr"),
    ({"ip": [{"cidr": 10}]}, "ip", "cidr"),
    ({"hop": [{"exists": "true"}]}, "hop", "exists"),
    ({"hop": [{"exists": 0}]}, "hop", "exists"),
    ({"hop": [{"exists": 1}]}, "hop", "exists"),
    ({"detail": {"$or": []}}, "detail", "$or"),
    ({"detail": {"$or": [{"a": ["x"]}]}}, "detail", "$or"),
    ({"$or": {"a": ["x"]}}, "", "$or"),
    ({"$or": ["a", "b"]}, "", None),
    ({"$or": [{"a": ["x"]}, {}]}, "", None),
    ({"$or": [{"numeric": ["x"]}, {"b": ["y"]}]}, "", "numeric"),
    ({"$or": [{"a": {"prefix": ["x"]}}, {"b": ["y"]}]}, "a", "prefix"),
    ({"a": ["x"], "$or": [{"a": ["y"]}, {"b": ["z"]}]}, "a", "$or"),
]


@pytest.mark.parametrize(("pattern", "path", "operator"), REFUSED, ids=json.dumps)
def test_what_is_not_of_the_language_is_refused_by_name(
    pattern: dict[str, Any], path: str, operator: str | None
) -> None:
    with pytest.raises(PatternError) as refused:
        compile_pattern(pattern)
    assert (refused.value.path, refused.value.operator) == (path, operator)
    assert path in str(refused.value)
    assert (operator or "") in str(refused.value)


def test_a_pattern_has_no_more_characters_than_eventbridge_takes() -> None:
    frame = len('{"source":[""]}')
    compile_pattern({"source": ["é" * (MAX_CHARACTERS - frame)]})
    with pytest.raises(PatternError, match="2049 characters"):
        compile_pattern({"source": ["é" * (MAX_CHARACTERS - frame + 1)]})


def test_the_combinations_of_or_are_limited() -> None:
    def either(field: str, count: int) -> dict[str, Any]:
        return {"$or": [{f"{field}{index}": [1]} for index in range(count)]}

    compile_pattern({"a": either("a", 10), "b": either("b", 10), "c": either("c", 10)})
    with pytest.raises(PatternError, match="1000 combinations"):
        compile_pattern({"a": either("a", 10), "b": either("b", 10), "c": either("c", 11)})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"x", {1}])
def test_a_pattern_is_json(value: Any) -> None:
    with pytest.raises(PatternError, match="not JSON"):
        compile_pattern({"source": [value]})
