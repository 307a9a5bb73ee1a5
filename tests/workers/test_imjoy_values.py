"""What an ImJoy plugin gives and gets, as it is carried (protocol/IMJOY.md, "Values")."""

from __future__ import annotations

import io
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from opsin.rpc.lazy_source import lazy
from opsin.rpc.local_array import LocalArray
from opsin.worker_imjoy.values import Codec, DotDict, NamedBytes, Values


class Wrapped:
    """Stands for what the other side calls."""

    def __init__(self, function: Any) -> None:
        self.function = function


def values() -> Values:
    return Values(Wrapped, lambda remote: remote)


class Counter:
    """A plugin's object."""

    kind = "counter"

    def __init__(self) -> None:
        self.count = 0
        self._secret = 1

    @property
    def broken(self) -> int:
        raise RuntimeError("it must not be looked at")

    def up(self) -> int:
        return 1

    def _hidden(self) -> None: ...


@pytest.mark.parametrize(
    ("value", "carried"),
    [
        (None, None),
        (3, 3),
        ("text", "text"),
        (b"\0\1", b"\0\1"),
        ((1, [2]), [1, [2]]),
        ({1: "a"}, {"1": "a"}),
        ({2}, {"_rtype": "set", "_rvalue": [2]}),
        (OrderedDict(a=1), {"_rtype": "orderedmap", "_rvalue": [["a", 1]]}),
        (memoryview(b"ab"), {"_rtype": "memoryview", "_rvalue": b"ab"}),
        (ValueError("no"), {"_rtype": "error", "_rvalue": "no"}),
        (KeyError(), {"_rtype": "error", "_rvalue": "KeyError"}),
    ],
)
def test_values_are_carried(value: Any, carried: Any) -> None:
    assert values().encode(value) == carried


def test_an_object_is_its_public_functions_and_plain_members() -> None:
    carried = values().encode(Counter())
    assert carried.pop("_rintf") is True
    assert sorted(carried) == ["count", "up"]
    assert carried["count"] == 0
    assert carried["up"].function() == 1
    assert sorted(values().interface(Counter())) == ["count", "up"]
    assert sorted(values().interface({"run": len, "_no": len})) == ["run"]


@pytest.mark.parametrize("exported", [Counter, None, 3, "text", [1]])
def test_what_is_no_interface_cannot_be_exported(exported: Any) -> None:
    with pytest.raises(TypeError, match=r"export\(\)"):
        values().interface(exported)


def test_arrays_and_tensors_are_arrays() -> None:
    array = np.arange(6, dtype="uint16").reshape(2, 3)
    assert values().encode(array) is array
    assert values().encode(np.float32(2.5)).shape == ()

    class Tensor:
        def detach(self) -> Tensor:
            return self

        def cpu(self) -> Any:
            return array

        def __array__(self) -> Any:
            raise RuntimeError("it is on the graphics card")

    assert values().encode({"a": [Tensor()]})["a"][0] is array


def test_what_contains_itself_or_cannot_be_sent_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="nested too deep"):
        values().encode(endless)
    with pytest.raises(TypeError, match="object cannot be sent"):
        values().encode(object())


def test_a_file_is_read_by_calls() -> None:
    carried = values().encode(io.BytesIO(b"abc"))
    assert carried["read"].function() == b"abc"
    assert carried["_rintf"] is True


def test_what_comes_is_as_plugins_expect() -> None:
    take = values().decode
    given = take({"a": {"b": 1}, "list": [{"c": 2}]})
    assert isinstance(given, DotDict)
    assert (given.a.b, given.list[0].c, given.missing, given["a"]["b"]) == (1, 2, None, 1)
    typed = {"_rtype": "typedarray", "_rvalue": b"\1\0\2\0", "_rdtype": "uint16"}
    np.testing.assert_array_equal(take(typed), np.array([1, 2], "uint16"))
    shaped = {**typed, "_rtype": "ndarray", "_rshape": [2, 1]}
    assert take(shaped).shape == (2, 1)
    assert take({"_rtype": "memoryview", "_rvalue": b"x"}).tobytes() == b"x"
    file = take({"_rtype": "file", "_rvalue": b"x", "_rname": "a.txt", "_rmime": "text/plain"})
    assert isinstance(file, NamedBytes)
    assert (file.read(), file.name, file.mime) == (b"x", "a.txt", "text/plain")
    assert take({"_rtype": "set", "_rvalue": [1, 1, [2]]}) == {1, "[2]"}
    assert list(take({"_rtype": "orderedmap", "_rvalue": [["b", 1], ["a", 2]]})) == ["b", "a"]
    assert str(take({"_rtype": "error", "_rvalue": "no"})) == "no"
    unknown = take({"_rtype": "unheard-of", "x": 1})
    assert (unknown["_rtype"], unknown.x) == ("unheard-of", 1)


def test_keywords_are_the_last_argument_if_it_says_so() -> None:
    marked = {"b": 2, "_rkwargs": True}
    assert values().arguments([1, marked]) == ([1], {"b": 2})
    assert values().arguments([1, {"b": 2}]) == ([1, {"b": 2}], {})
    assert values().arguments([]) == ([], {})


def test_codecs_of_the_plugin_go_first_both_ways() -> None:
    found = values()
    found.register(
        Codec("counter", Counter, lambda one: {"count": one.count}, lambda given: given.count + 100)
    )
    counter = Counter()
    counter.count = 5
    carried = found.encode([counter])
    assert carried == [{"_rtype": "counter", "count": 5}]
    assert found.decode(carried) == [105]


def test_lazy_arrays_are_not_read(tmp_path: Path) -> None:
    """One of zarr, and one that came from elsewhere, which is given on as it came."""
    stored = zarr.create_array(tmp_path / "a.zarr", shape=(1 << 20, 1 << 20), dtype="uint8")
    came = LocalArray(lazy(stored))
    assert values().encode([stored, {"image": came}]) == [stored, {"image": came}]
    assert values().decode({"image": came})["image"] is came
