"""What may be done with a table, generated: operations under the conditions of services, and under others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations_with_replacement, product
from operator import and_, or_
from typing import Any

from boto3.dynamodb.conditions import Attr, ConditionBase
from hypothesis import strategies as st

from records.apps import STANDING
from records.table import ABSENT, Check, Delete, Item, Put, Table, Write
from records.users import STAYING

type Conditions = st.SearchStrategy[ConditionBase]

PARTITIONS = ("APP#1", "APP#2")
SORT_KEYS = ("APP", "ENVIRONMENT#1", "ENVIRONMENT#10", "OF#ENVIRONMENT#", "\uffff", "😀")
BEGINNINGS = ("", "ENVIRONMENT#", "ENVIRONMENT#1", "\uffff", "nothing")
KEYS = tuple(product(PARTITIONS, SORT_KEYS))

# ---- Items. An attribute that is compared is of one kind where moto does not tell kinds apart as DynamoDB does.

NUMBERS = (0, 1, 2, -1, 10**30)
TEXTS = ("a", "", "aa", "b", "\uffff", "😀")
BINARIES = (b"a", b"", b"aa", b"\0", b"\xff")
NESTED: Sequence[Any] = (
    *([], [1], [1, 1], ["1"], [[1]]),
    *({}, {"x": 1}, {"x": "1"}, {"y.z": 1}, {"x": 1, "y.z": 1}, {"x": {"x": [b"a"]}}),
)
COMPARED: Mapping[str, Sequence[Any]] = {
    "until": NUMBERS,
    "holder": TEXTS,
    "binary": BINARIES,
    "compared": ("1", 1, b"1", *NESTED),
}
"""Attributes and what they may be."""

_numbers, _texts = st.sampled_from(NUMBERS), st.sampled_from(TEXTS)
_kept = st.recursive(
    st.none() | st.booleans() | _numbers | _texts | st.sampled_from(BINARIES),
    lambda inner: (
        st.lists(inner, max_size=2) | st.tuples(inner) | st.dictionaries(st.sampled_from(["x", "y.z"]), inner)
    ),
    max_leaves=4,
)
_ATTRIBUTES: Mapping[str, st.SearchStrategy[Any]] = {
    **{name: st.sampled_from(values) for name, values in COMPARED.items()},
    "writes": _numbers,
    "revision": _numbers,
    "removing": st.booleans(),
    "told_by": _texts,
    "live": _numbers,
    "kept": _kept,
}
_attributes = st.fixed_dictionaries({}, optional=dict(_ATTRIBUTES))
_keys = st.sampled_from(KEYS)


def _item(key: tuple[str, str], attributes: Item) -> Item:
    return {"pk": key[0], "sk": key[1], **attributes}


ITEMS = st.builds(_item, _keys, _attributes)
CONTENTS: st.SearchStrategy[list[Item]] = st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, _attributes)).map(
    lambda kept: [_item(key, attributes) for key, attributes in kept.items()]
)
"""What is there at first."""

# ---- Conditions

OF_SERVICES: Conditions = st.one_of(
    st.sampled_from([ABSENT, Attr("pk").exists(), STANDING, STAYING]),
    _numbers.map(Attr("revision").eq),
    _numbers.map(Attr("live").eq),
    _texts.map(Attr("holder").eq),
    _texts.map(Attr("told_by").eq),
    st.builds(lambda holder, written: Attr("holder").eq(holder) & Attr("writes").eq(written), _texts, _numbers),
    st.builds(lambda holder, now: Attr("holder").eq(holder) & Attr("until").lte(now), _texts, _numbers),
    _numbers.map(lambda now: ABSENT | Attr("until").lte(now)),
)
"""Those that services write under."""


def comparisons(name: str) -> list[ConditionBase]:
    """Each that there is of an attribute with what it may be."""
    attribute, values = Attr(name), COMPARED[name]
    there = [attribute.exists(), attribute.not_exists(), *map(attribute.eq, values)]
    if name == "compared":
        return there
    ordering = [attribute.lt, attribute.lte, attribute.gt, attribute.gte]
    ordered = [compare(value) for compare, value in product(ordering, values)]
    within = [attribute.between(low, high) for low, high in combinations_with_replacement(sorted(values), 2)]
    return [*there, *ordered, *within, *(map(attribute.begins_with, values) if name == "holder" else ())]


_LEAVES: Conditions = OF_SERVICES | st.sampled_from([one for name in COMPARED for one in comparisons(name)])
CONDITIONS: Conditions = st.recursive(
    _LEAVES,
    lambda inner: (
        st.builds(lambda join, one, other: join(one, other), st.sampled_from([and_, or_]), inner, inner)
        | inner.map(lambda one: ~one)
    ),
    max_leaves=3,
)
_perhaps = st.none() | OF_SERVICES | CONDITIONS

# ---- Operations


@dataclass(frozen=True)
class Operation:
    """An operation on a table, shown as it is called."""

    name: str
    given: Sequence[Any] = ()
    named: Mapping[str, Any] = field(default_factory=dict)

    def on(self, table: Table) -> object:
        result = getattr(table, self.name)(*self.given, **self.named)
        return list(result) if isinstance(result, Iterator) else result


def _key(write: Write) -> tuple[str, str]:
    return (write.item["pk"], write.item["sk"]) if isinstance(write, Put) else (write.pk, write.sk)


_writes: st.SearchStrategy[Write] = st.one_of(
    st.builds(Put, ITEMS, _perhaps),
    st.builds(lambda key, condition: Delete(key[0], key[1], condition), _keys, _perhaps),
    st.builds(lambda key, condition: Check(key[0], key[1], condition), _keys, OF_SERVICES | CONDITIONS),
)
OPERATIONS = st.one_of(
    _keys.map(lambda key: Operation("get", key)),
    st.builds(
        lambda pk, start: Operation("query", [pk], {"begins_with": start}),
        st.sampled_from(PARTITIONS),
        st.sampled_from(BEGINNINGS),
    ),
    st.builds(
        lambda pk, sk: Operation("query_from", [pk, sk]), st.sampled_from(PARTITIONS), st.sampled_from(SORT_KEYS)
    ),
    st.sampled_from(SORT_KEYS).map(lambda sk: Operation("scan", named={"sk": sk})),
    st.builds(lambda item, condition: Operation("put", [item, condition]), ITEMS, _perhaps),
    st.builds(lambda key, condition: Operation("delete", [*key, condition]), _keys, _perhaps),
    st.lists(_writes, max_size=3).map(lambda writes: Operation("transact", [writes])),
    st.lists(_writes, min_size=2, max_size=6, unique_by=_key).map(lambda writes: Operation("transact", [writes])),
)
