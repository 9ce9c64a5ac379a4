"""The matcher of the stage's bus, against cases written from EventBridge's published pattern language."""

import fnmatch
import json
from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prestage.stage.event_pattern import PatternError, compile_pattern


def matches(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    return compile_pattern(pattern).matches(event)


def holds(values: list[Any], value: Any) -> bool:
    return matches({"field": values}, {"field": value, "other": "x"})


# ---- Each operator: its values in the pattern, a value of the event, whether they match

OPERATORS: list[tuple[list[Any], Any, bool]] = [
    (["opened"], "opened", True),
    (["opened"], "Opened", False),
    (["opened"], "opened ", False),
    ([""], "", True),
    ([""], None, False),
    (["1"], 1, False),
    ([1], "1", False),
    ([300], 300.0, True),
    ([3.0e2], 300, True),
    ([300], 301, False),
    ([1], True, False),
    ([True], 1, False),
    ([True], True, True),
    ([True], False, False),
    ([False], 0, False),
    ([False], None, False),
    ([None], None, True),
    ([None], "null", False),
    ([None], "", False),
    (["a", 2, None], 2, True),
    (["a", 2, None], None, True),
    (["a", 2, None], "b", False),
    (["10.0.0.1"], "10.0.0.1", True),
    ([{"prefix": "1."}], "1.4", True),
    ([{"prefix": "1."}], "11.4", False),
    ([{"prefix": "1."}], 1.4, False),
    ([{"prefix": "Ab"}], "abc", False),
    ([{"prefix": ""}], "anything", True),
    ([{"prefix": ""}], 1, False),
    ([{"prefix": {"equals-ignore-case": "EVentb"}}], "eventBridge", True),
    ([{"prefix": {"equals-ignore-case": "EVentb"}}], "anEventBridge", False),
    ([{"suffix": ".png"}], "logo.png", True),
    ([{"suffix": ".png"}], "logo.PNG", False),
    ([{"suffix": ".png"}], "logo.png.txt", False),
    ([{"suffix": {"equals-ignore-case": ".PNG"}}], "logo.pNg", True),
    ([{"suffix": {"equals-ignore-case": ".PNG"}}], "logo.gif", False),
    ([{"equals-ignore-case": "MAIN"}], "main", True),
    ([{"equals-ignore-case": "main"}], "MaIn", True),
    ([{"equals-ignore-case": "main"}], "main2", False),
    ([{"equals-ignore-case": "1"}], 1, False),
    ([{"wildcard": "dir/*.png"}], "dir/a/b.png", True),
    ([{"wildcard": "dir/*.png"}], "dir/.png", True),
    ([{"wildcard": "dir/*.png"}], "dir/b.jpg", False),
    ([{"wildcard": "dir/*.png"}], "dir/bXpng", False),
    ([{"wildcard": "*a*"}], "bab", True),
    ([{"wildcard": "*a*"}], "bbb", False),
    ([{"wildcard": "*"}], "", True),
    ([{"wildcard": "*"}], 5, False),
    ([{"wildcard": "a*b"}], "a\nb", True),
    ([{"wildcard": "exact"}], "exact", True),
    ([{"wildcard": "exact"}], "exactly", False),
    ([{"wildcard": r"\*"}], "*", True),
    ([{"wildcard": r"\*"}], "a", False),
    ([{"wildcard": r"C:\\*"}], "C:\\dir", True),
    ([{"wildcard": r"C:\\*"}], "C:dir", False),
    ([{"wildcard": r"*\**"}], "a*b", True),
    ([{"wildcard": r"*\**"}], "ab", False),
    ([{"anything-but": "closed"}], "opened", True),
    ([{"anything-but": "closed"}], "closed", False),
    ([{"anything-but": "closed"}], 5, True),
    ([{"anything-but": "closed"}], None, True),
    ([{"anything-but": 5}], 5.0, False),
    ([{"anything-but": 5}], 6, True),
    ([{"anything-but": 5}], "5", True),
    ([{"anything-but": ["a", "b"]}], "b", False),
    ([{"anything-but": ["a", "b"]}], "c", True),
    ([{"anything-but": [1, 2]}], 2, False),
    ([{"anything-but": [1, 2]}], 3, True),
    ([{"anything-but": {"prefix": "init"}}], "initial", False),
    ([{"anything-but": {"prefix": "init"}}], "an init", True),
    ([{"anything-but": {"prefix": ["a", "b"]}}], "bc", False),
    ([{"anything-but": {"prefix": ["a", "b"]}}], "cb", True),
    ([{"anything-but": {"suffix": ".png"}}], "a.png", False),
    ([{"anything-but": {"suffix": ".png"}}], "a.gif", True),
    ([{"anything-but": {"suffix": [".png", ".gif"]}}], "a.gif", False),
    ([{"anything-but": {"suffix": [".png", ".gif"]}}], "a.jpg", True),
    ([{"anything-but": {"equals-ignore-case": "main"}}], "MAIN", False),
    ([{"anything-but": {"equals-ignore-case": "main"}}], "maint", True),
    ([{"anything-but": {"equals-ignore-case": ["main", "trunk"]}}], "Trunk", False),
    ([{"anything-but": {"equals-ignore-case": ["main", "trunk"]}}], "topic", True),
    ([{"anything-but": {"wildcard": "*/lib/*"}}], "/usr/lib/x", False),
    ([{"anything-but": {"wildcard": "*/lib/*"}}], "/usr/bin/x", True),
    ([{"anything-but": {"wildcard": ["*/lib/*", "*.so"]}}], "x.so", False),
    ([{"anything-but": {"wildcard": ["*/lib/*", "*.so"]}}], "x.py", True),
    ([{"numeric": ["=", 3.018e2]}], 301.8, True),
    ([{"numeric": ["=", 5]}], 5.0, True),
    ([{"numeric": ["=", 5]}], "5", False),
    ([{"numeric": ["=", 1]}], True, False),
    ([{"numeric": [">", 0]}], 0, False),
    ([{"numeric": [">", 0]}], 0.000001, True),
    ([{"numeric": [">=", 0]}], 0, True),
    ([{"numeric": [">=", 0]}], -1, False),
    ([{"numeric": ["<", 10]}], 9, True),
    ([{"numeric": ["<", 10]}], 10, False),
    ([{"numeric": ["<=", 10]}], 10, True),
    ([{"numeric": ["<=", 10]}], 10.5, False),
    ([{"numeric": [">", 0, "<=", 5]}], 5, True),
    ([{"numeric": [">", 0, "<=", 5]}], 0, False),
    ([{"numeric": [">", 0, "<=", 5]}], 6, False),
    ([{"numeric": [">=", 0, "<", 5]}], 0, True),
    ([{"numeric": [">=", 0, "<", 5]}], 5, False),
    ([{"numeric": [">", 0]}], 5_000_000_001, False),
    ([{"cidr": "10.0.0.0/24"}], "10.0.0.255", True),
    ([{"cidr": "10.0.0.0/24"}], "10.0.1.0", False),
    ([{"cidr": "10.0.0.0/24"}], "ten", False),
    ([{"cidr": "10.0.0.0/24"}], 167772160, False),
    ([{"cidr": "10.0.0.0/24"}], "::1", False),
    ([{"cidr": "2001:db8::/32"}], "2001:db8:1::5", True),
    ([{"cidr": "2001:db8::/32"}], "2001:db9::", False),
    ([{"exists": True}], "x", True),
    ([{"exists": True}], "", True),
    ([{"exists": True}], None, True),
    ([{"exists": True}], False, True),
    ([{"exists": True}], ["x"], True),
    ([{"exists": True}], {"inner": 1}, False),
    ([{"exists": True}], [], False),
    ([{"exists": False}], "x", False),
    ([{"exists": False}], None, False),
    ([{"exists": False}], {"inner": 1}, True),
    ([{"exists": False}], [], True),
    ([{"exists": False}, "x"], "x", True),
    ([{"exists": False}, "x"], "y", False),
    (["x"], ["a", "x"], True),
    (["x"], ["a", "b"], False),
    (["x", "b"], ["a", "b"], True),
    (["x"], [["a"], ["x"]], True),
    ([{"prefix": "x"}], ["a", 5, "xy"], True),
    ([{"anything-but": "x"}], ["x", "y"], True),
    ([{"anything-but": "x"}], ["x"], False),
    ([{"prefix": "x"}, {"suffix": "y"}], "ay", True),
    (["x"], {"x": "x"}, False),
]


@pytest.mark.parametrize(("values", "value", "expected"), OPERATORS, ids=json.dumps)
def test_each_operator_matches_what_it_is_for(values: list[Any], value: Any, expected: bool) -> None:
    assert holds(values, value) is expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([{"exists": False}], True),
        ([{"exists": False}, "x"], True),
        ([{"exists": True}], False),
        (["x"], False),
        ([None], False),
        ([{"anything-but": "x"}], False),
        ([{"anything-but": {"prefix": "x"}}], False),
        ([{"wildcard": "*"}], False),
    ],
    ids=json.dumps,
)
def test_only_absence_is_matched_by_a_field_that_is_not_there(values: list[Any], expected: bool) -> None:
    assert matches({"detail": {"field": values}}, {"detail": {"other": "x"}}) is expected


# ---- Fields together

EVENT = {
    "source": "prestage.environments",
    "detail-type": "EnvironmentCreated",
    "detail": {"metadata": {"version": "1.0", "hop": 2}, "data": {"app": "shop"}},
}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"source": ["prestage.environments"]}, True),
        ({"source": ["prestage.environments"], "detail-type": ["EnvironmentCreated"]}, True),
        ({"source": ["prestage.environments"], "detail-type": ["EnvironmentClosed"]}, False),
        ({"detail": {"metadata": {"version": [{"prefix": "1."}]}}}, True),
        ({"detail": {"metadata": {"version": [{"prefix": "2."}]}}}, False),
        ({"detail": {"metadata": {"version": [{"prefix": "1."}], "hop": [2]}, "data": {"app": ["shop"]}}}, True),
        ({"detail": {"metadata": {"version": [{"prefix": "1."}], "hop": [3]}, "data": {"app": ["shop"]}}}, False),
        ({"detail": {"version": ["1.0"]}}, False),
        ({"detail.data.app": ["shop"]}, False),
        ({"$or": [{"source": ["other"]}, {"detail-type": ["EnvironmentCreated"]}]}, True),
        ({"$or": [{"source": ["other"]}, {"detail-type": ["Other"]}]}, False),
        ({"source": ["other"], "$or": [{"detail-type": ["EnvironmentCreated"]}, {"region": ["x"]}]}, False),
        ({"$or": [{"source": ["other"], "detail-type": ["EnvironmentCreated"]}, {"region": ["x"]}]}, False),
        ({"detail": {"$or": [{"data": {"app": ["blog"]}}, {"metadata": {"hop": [2]}}]}}, True),
        ({"$or": [{"source": ["other"]}, {"$or": [{"region": ["x"]}, {"detail": {"data": {"app": ["shop"]}}}]}]}, True),
        (
            {"$or": [{"source": ["other"]}, {"$or": [{"region": ["x"]}, {"detail": {"data": {"app": ["blog"]}}}]}]},
            False,
        ),
        (
            {
                "$or": [{"source": ["other"]}, {"detail-type": ["EnvironmentCreated"]}],
                "detail": {"$or": [{"data": {"app": ["blog"]}}, {"metadata": {"hop": [9]}}]},
            },
            False,
        ),
    ],
    ids=json.dumps,
)
def test_all_fields_have_to_hold_and_one_branch_of_or(pattern: dict[str, Any], expected: bool) -> None:
    assert matches(pattern, EVENT) is expected


PEOPLE = {
    "staff": [
        {"first": "Ada", "last": "Lovelace", "roles": [{"name": "lead", "team": "engine"}]},
        {"first": "Grace", "last": "Hopper", "roles": [{"name": "lead", "team": "navy"}, {"name": "ic", "team": "c"}]},
    ],
    "office": "London",
}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"staff": {"first": ["Grace"]}}, True),
        ({"staff": {"first": ["Grace"], "last": ["Hopper"]}}, True),
        ({"staff": {"first": ["Grace"], "last": ["Lovelace"]}}, False),
        ({"staff": {"first": ["Ada", "Grace"], "last": ["Hopper"]}, "office": ["London"]}, True),
        ({"staff": {"first": ["Grace"], "roles": {"name": ["lead"], "team": ["navy"]}}}, True),
        ({"staff": {"first": ["Grace"], "roles": {"name": ["ic"], "team": ["navy"]}}}, False),
        ({"staff": {"first": ["Ada"], "roles": {"team": ["navy"]}}}, False),
        ({"staff": {"first": ["Grace"]}, "$or": [{"staff": {"last": ["Lovelace"]}}, {"office": ["Paris"]}]}, False),
        ({"staff": {"first": ["Grace"]}, "$or": [{"staff": {"last": ["Hopper"]}}, {"office": ["Paris"]}]}, True),
        ({"staff": {"first": ["Ada"], "middle": [{"exists": False}]}}, True),
        ({"staff": {"first": [{"exists": False}]}}, False),
    ],
    ids=json.dumps,
)
def test_fields_of_objects_in_an_array_match_in_the_same_object(pattern: dict[str, Any], expected: bool) -> None:
    assert matches(pattern, PEOPLE) is expected


def test_arrays_of_arrays_are_looked_into() -> None:
    nested = {"staff": [[{"first": "Ada", "last": "Lovelace"}], [{"first": "Grace", "last": "Hopper"}]]}
    assert matches({"staff": {"first": ["Grace"], "last": ["Hopper"]}}, nested)
    assert not matches({"staff": {"first": ["Grace"], "last": ["Lovelace"]}}, nested)


def test_a_deep_event_is_no_trouble() -> None:
    deep: dict[str, Any] = {"found": "x"}
    for _ in range(5000):
        deep = {"down": deep}
    assert matches({"source": ["s"]}, {"source": "s", "detail": deep})


# ---- Wild cases

SCALARS = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=5)
NAMES = st.sampled_from(["a", "b", "c", "prefix", "$"])
OBJECTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
EVENTS = st.dictionaries(NAMES, OBJECTS, max_size=3)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["a", "prefix", "suffix", "wildcard", "anything-but", "numeric", "cidr", "exists", "$or"]),
            inner,
            max_size=2,
        )
    ),
    max_leaves=10,
)


@given(event=st.dictionaries(NAMES, SCALARS, min_size=1, max_size=4), changed=SCALARS)
def test_an_event_without_arrays_is_matched_by_the_pattern_of_its_own_values(
    event: dict[str, Any], changed: Any
) -> None:
    pattern = {name: [value] for name, value in event.items()}
    assert matches(pattern, event)
    name = next(iter(event))
    is_same = json.dumps(changed) == json.dumps(event[name])
    assert matches(pattern, {**event, name: changed}) is is_same


@given(value=st.text(st.sampled_from("ab*\\/\n"), max_size=8), text=st.text(st.sampled_from("ab*/"), max_size=6))
def test_a_wildcard_matches_as_a_shell_would(value: str, text: str) -> None:
    if "**" not in text:
        expected = fnmatch.fnmatchcase(value, text)
        assert holds([{"wildcard": text}], value) is expected
        assert holds([{"anything-but": {"wildcard": text}}], value) is not expected


@given(value=st.ip_addresses(v=4), network=st.ip_addresses(v=4), bits=st.integers(0, 31))
def test_a_cidr_matches_the_addresses_with_its_first_bits(value: Any, network: Any, bits: int) -> None:
    shift = 32 - bits
    masked = IPv4Network((int(network) >> shift << shift, bits))
    assert holds([{"cidr": str(masked)}], str(value)) is (int(value) >> shift == int(network) >> shift)


@given(pattern=JSON, event=EVENTS)
def test_any_json_is_refused_by_type_or_answers_for_any_event(pattern: Any, event: dict[str, Any]) -> None:
    try:
        compiled = compile_pattern(pattern)
    except PatternError:
        return
    assert compiled.matches(event) in {True, False}


@given(event=EVENTS, value=SCALARS)
def test_a_field_either_exists_or_does_not(event: dict[str, Any], value: Any) -> None:
    there, absent = matches({"a": [{"exists": True}]}, event), matches({"a": [{"exists": False}]}, event)
    assert there is not absent
    assert not (matches({"a": [value]}, event) and absent)
