"""What plugin authors write with: annotations that cost nothing, and progress."""

from __future__ import annotations

import subprocess
import sys
import typing
from collections.abc import Iterator

import numpy as np
import pytest

import opsin.types as ot
from opsin.errors import Cancelled, UsageError
from opsin.types import Axes, Field, Image, Kind, Labels, LazyImage, Metadata, progress, reporting


class Heard:
    """A reporter that remembers, and cancels after some steps."""

    def __init__(self, cancel_after: int = 10**9) -> None:
        self.said: list[tuple[float, float | None, str]] = []
        self.cancel_after = cancel_after

    def cancelled(self) -> bool:
        return len(self.said) >= self.cancel_after

    def report(self, done: float, total: float | None, description: str) -> None:
        self.said.append((done, total, description))


def test_importing_it_brings_the_standard_library_only() -> None:
    code = "import sys, opsin.types; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    modules = set(done.stdout.split())
    ours = {name for name in modules if name.partition(".")[0] == "opsin"}
    assert ours == {"opsin", "opsin.errors", "opsin.types"}
    known = sys.stdlib_module_names | {"__main__", "opsin"}
    tops = {name.partition(".")[0] for name in modules - {"sitecustomize", "usercustomize"}}
    assert {"numpy", "msgspec", "asyncio", "inspect"} & tops <= {"inspect"}
    assert not {name for name in tops - known if not name.startswith("_")}


@pytest.mark.parametrize("name", ["Image", "Labels", "Points", "Tracks", "Vectors"])
def test_annotations_of_arrays_are_arrays(name: str) -> None:
    annotation = getattr(ot, name)
    base, kind = typing.get_args(annotation)
    assert base is np.ndarray
    assert kind == Kind(name.lower())  # type: ignore[arg-type]
    assert getattr(ot, name) is annotation


def test_shapes_and_surfaces_are_several_arrays() -> None:
    assert typing.get_args(ot.Shapes)[0] == list[np.ndarray]
    assert typing.get_args(ot.Surface)[0] == tuple[np.ndarray, ...]
    assert typing.get_args(ot.Table)[1] == Kind("table")


def test_annotations_work_where_python_resolves_them() -> None:
    def operation(image: typing.Annotated[Image, Axes("zyx")], lazy: LazyImage) -> Labels:
        return image

    hints = typing.get_type_hints(operation, include_extras=True)
    assert typing.get_args(hints["image"]) == (np.ndarray, Kind("image"), Axes("zyx"))
    assert hints["return"] == Labels
    assert hints["lazy"] is LazyImage


def test_unknown_names_are_unknown() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Picture'"):
        ot.Picture  # type: ignore[attr-defined]  # noqa: B018
    assert set(dir(ot)) == set(ot.__all__)
    namespace: dict[str, object] = {}
    exec("from opsin.types import *", namespace)
    assert set(ot.__all__) <= set(namespace)


@pytest.mark.parametrize("names", ["", "yy", "YX", "y x", "y,x", "é"])
def test_axes_are_different_letters(names: str) -> None:
    with pytest.raises(UsageError, match="Axes are different letters"):
        Axes(names)


def test_what_is_declared_cannot_change() -> None:
    metadata = Metadata(("y", "x"), (0.5, 0.5), (0.0, 0.0), ("micrometer", None))
    for value, name in ((metadata, "level"), (Field(minimum=1), "minimum"), (Axes("yx"), "names")):
        with pytest.raises(AttributeError):
            setattr(value, name, 3)


# -------------------------------------------------------------------------------- progress


def test_outside_of_a_job_progress_only_gives_the_items() -> None:
    assert list(progress(range(3))) == [0, 1, 2]
    assert next(progress(["smooth"])) == "smooth"
    assert list(progress(iter("ab"), total=2, description="letters")) == ["a", "b"]


def test_steps_are_reported() -> None:
    heard = Heard()
    with reporting(heard):
        assert list(progress("ab", description="letters")) == ["a", "b"]
    assert heard.said == [(0, 2, "letters"), (1, 2, "letters"), (2, 2, "letters")]
    assert list(progress(range(2))) == [0, 1]
    assert len(heard.said) == 3, "nobody listens any more"


def test_a_length_is_asked_for_where_there_is_one() -> None:
    heard = Heard()
    with reporting(heard):
        list(progress(iter("ab")))
        list(progress(iter("ab"), total=2))
        list(progress(np.zeros((2, 5))))
        list(progress([]))
    assert [total for _, total, _ in heard.said] == [None] * 3 + [2] * 6 + [0]


def test_texts_describe_the_steps_that_they_begin() -> None:
    heard = Heard()
    with reporting(heard):
        steps = progress(["smooth", "split"])
        next(steps)
        next(steps)
        list(progress(range(2)))
        list(progress(range(1), description="pieces"))
    assert heard.said == [
        (0, 2, "smooth"),
        (1, 2, "split"),
        *((1 + share, 2, "split") for share in (0, 0.5, 1)),
        *((1 + share, 2, "pieces") for share in (0, 1)),
    ]


def test_an_inner_loop_moves_the_outer_one_on() -> None:
    heard = Heard()
    with reporting(heard):
        for _ in progress(range(2)):
            for _ in progress(range(2)):
                list(progress(iter("ab")))  # of unknown length: it moves nothing
    done = [done for done, _, _ in heard.said]
    assert done == sorted(done)
    assert {total for _, total, _ in heard.said} == {2}
    assert set(done) == {0, 0.5, 1, 1.5, 2}


def test_a_loop_that_is_left_early_is_forgotten() -> None:
    heard = Heard()
    with reporting(heard):
        for _ in range(3):
            for item in progress(range(4)):
                if item == 1:
                    break
    assert heard.said == [(0, 4, ""), (1, 4, "")] * 3


def test_more_items_than_promised_are_no_more_than_all() -> None:
    heard = Heard()
    with reporting(heard):
        for _ in progress(range(1)):
            list(progress(range(5), total=2))
    assert max(done for done, _, _ in heard.said) == 1


def test_cancelling_raises_at_the_next_step() -> None:
    seen: list[int] = []
    with reporting(Heard(cancel_after=2)), pytest.raises(Cancelled):
        for item in progress(range(10)):
            seen.append(item)
    assert seen == [0, 1]


def test_cancelling_is_told_again_to_whoever_goes_on() -> None:
    with reporting(Heard(cancel_after=0)):
        for _ in range(2):
            with pytest.raises(Cancelled):
                next(progress(range(10)))


def test_items_are_not_asked_for_ahead() -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for number in range(3):
            asked.append(number)
            yield number

    with reporting(Heard()):
        for item in progress(items()):
            assert asked[-1] == item
