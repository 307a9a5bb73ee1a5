from __future__ import annotations

import functools
import types
from typing import Any
from unittest.mock import patch

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from opsin.errors import ProtocolError, UsageError
from opsin.rpc.codec import FUNCTION, ITERABLE, THING
from opsin.rpc.objects import ObjectTable, by_reference, kind_of, resolve
from tests.rpc.services import Counter, Layers


class Plain:
    def method(self) -> None: ...


async def agen() -> Any:
    yield 1


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (lambda: 1, FUNCTION),
        (len, FUNCTION),
        (Plain().method, FUNCTION),
        (functools.partial(len, "x"), FUNCTION),
        (Counter(), THING),
        (by_reference([1, 2]), THING),
        (agen(), ITERABLE),
        ((i for i in "x"), ITERABLE),
        (Plain(), None),
        (Plain, None),
        (types, None),
        ([1], None),
        (np.zeros(3), None),
        (iter([1]), None),
        ("text", None),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_what_goes_by_reference(value: Any, kind: int | None) -> None:
    assert kind_of(value) == kind


def test_descriptions_help_the_other_side() -> None:
    table = ObjectTable()

    def smooth(image: Any) -> None:
        """Smooth an image.

        More.
        """

    assert table.send(smooth, FUNCTION).doc == "Smooth an image.\n\nMore."
    info = table.send(Counter(), THING)
    assert (info.name, info.doc, info.methods) == ("Counter", "Counts.", ("add", "numbers"))


def test_an_object_leaves_with_its_last_count() -> None:
    table = ObjectTable("root")
    value = Counter()
    number = table.send(value, THING).object
    assert table.send(value, THING).object == number
    table.release([(number, 1)])
    assert table.get(number) == (value, THING)
    table.pin(number)
    table.release([(number, 1)])
    assert table.get(number) == (value, THING), "pinned"
    table.unpin(number)
    with pytest.raises(ProtocolError, match="released"):
        table.get(number)
    assert table.send(value, THING).object != number, "numbers are never used again"
    assert len(table) == 2


@pytest.mark.parametrize("released", [(1, 3), (2, 1), (0, 1)], ids=["often", "unknown", "root"])
def test_more_than_was_sent_cannot_be_released(released: tuple[int, int]) -> None:
    table = ObjectTable("root")
    value = Counter()
    table.send(value, THING)
    table.send(value, THING)
    with pytest.raises(ProtocolError, match="more often"):
        table.release([released])


def test_objects_are_bounded() -> None:
    table = ObjectTable()
    with patch("opsin.rpc.objects.MOST_OBJECTS", 3):
        kept = [Counter() for _ in range(4)]
        for value in kept[:3]:
            table.send(value, THING)
        with pytest.raises(UsageError, match="objects are held"):
            table.send(kept[3], THING)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=40))
def test_counts_under_any_order(steps: list[tuple[int, int]]) -> None:
    """Sends, releases and pins of four objects; an object is there as long as any is left."""
    table = ObjectTable()
    values = [Counter() for _ in range(4)]
    numbers: dict[int, int] = {}
    counts = [[0, 0] for _ in values]
    for which, action in steps:
        count = counts[which]
        if action == 0:
            number = table.send(values[which], THING).object
            assert (count == [0, 0]) == (numbers.get(which) != number)
            numbers[which] = number
            count[0] += 1
        elif action == 1 and count[0]:
            table.release([(numbers[which], 1)])
            count[0] -= 1
        elif action == 2 and any(count):
            if count[1]:
                table.unpin(numbers[which])
                count[1] -= 1
            else:
                table.pin(numbers[which])
                count[1] += 1
    assert len(table) == sum(any(count) for count in counts)


def test_paths_go_through_marked_objects_and_dicts_only() -> None:
    layers = Layers()
    assert resolve(layers, THING, "counter.add") == layers.counter.add
    assert resolve({"a": {"b": len}}, THING, "a.b") is len
    assert resolve(len, FUNCTION, "") is len
    for path in ("_hidden.add", "function.__call__", "array.dump", "counter", "x", ".", "a b"):
        with pytest.raises(AttributeError):
            resolve(layers, THING, path)
    for path in ("__call__", "fn", "x.y"):
        with pytest.raises(AttributeError):
            resolve(len, FUNCTION, path)
    with pytest.raises(AttributeError, match="cannot be called"):
        resolve({"cls": Counter}, THING, "cls")


@given(st.text(max_size=30))
def test_no_path_reaches_what_is_private(path: str) -> None:
    try:
        found = resolve(Layers(), THING, path)
    except AttributeError:
        return
    assert path in ("function", "counter.add", "counter.numbers")
    assert callable(found)
