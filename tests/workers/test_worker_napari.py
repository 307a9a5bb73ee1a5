"""What functions of napari give, as a worker sends it. (That they run is in tests/host.)"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsin.errors import PluginError
from opsin.worker_napari import layers_of

ARRAY = np.ones((3, 4))


def kinds(value: Any) -> list[tuple[str, Any]]:
    return [(one["kind"], np.shape(one["data"])) for one in layers_of("f", value)]


def test_all_that_napari_takes_for_layers() -> None:
    assert kinds(None) == []
    assert kinds(ARRAY) == [("image", (3, 4))]
    assert kinds((ARRAY,)) == [("image", (3, 4))]
    assert kinds((ARRAY, {"name": "a"})) == [("image", (3, 4))]
    whole = ARRAY.astype(int)
    assert kinds([(whole, {}, "labels"), None, ARRAY]) == [("labels", (3, 4)), ("image", (3, 4))]


def test_levels_are_one_layer() -> None:
    levels = [np.zeros((8, 8), int), np.zeros((4, 4), int)]
    assert kinds((levels, {}, "labels")) == [("labels", (8, 8))]
    assert kinds(((ARRAY,), {}, "image")) == [("image", (3, 4))]


def test_what_is_said_of_a_layer_is_plain() -> None:
    class Named:
        name = "viridis"

    about = {
        "scale": np.array([2.0, 3.0]),
        "translate": (1, np.float32(2)),
        "colormap": Named(),
        "contrast_limits": (np.uint8(1), 5),
        "metadata": {"anything": object()},
        "affine": np.diag([1.0, 1.0, 1.0]),
        "rotate": np.array([[0.0, -1.0], [1.0, 0.0]]),
    }
    (layer,) = layers_of("f", (ARRAY > 0, about, "labels"))
    assert layer.pop("data").dtype == np.uint8
    assert layer == {
        "kind": "labels",
        "scale": [2.0, 3.0],
        "translate": [1, 2.0],
        "colormap": "viridis",
        "contrast_limits": [1, 5],
        "turned": True,
    }


def test_features_go_with_points() -> None:
    about = {"features": {"area": np.array([1, 2]), "name": ["a", "b"]}}
    (layer,) = layers_of("f", (np.zeros((2, 2)), about, "points"))
    assert layer["features"] == {"area": [1, 2], "name": ["a", "b"]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((ARRAY, {}, "hologram"), "f gave a layer of a kind that there is not: hologram."),
        ((ARRAY, {}, "labels"), "f gave labels that are float64: whole numbers are."),
        ("text", "f gave a layer that holds <U4, and no numbers."),
        ([ARRAY] * 101, "f gave 101 layers, which is too many."),
    ],
)
def test_what_is_none(value: Any, message: str) -> None:
    with pytest.raises(PluginError) as raised:
        layers_of("f", value)
    assert str(raised.value) == message


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3) | st.just(ARRAY),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(
            st.sampled_from(["scale", "name", "affine", "features", "units"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(values)
def test_any_value_is_layers_or_a_sentence(value: Any) -> None:
    try:
        layers = layers_of("f", value)
    except (PluginError, ValueError, TypeError):
        return  # the plugin's own fault, and a job that fails
    assert all(one["kind"] == "image" for one in layers)


QT = """
import opsin.worker_napari as worker
worker.prepare()
from qtpy.QtCore import Qt, QObject, Signal, Slot
from PyQt6 import QtWidgets
import superqt.utils

class Panel(QtWidgets.QWidget):
    moved = Signal(int)
    flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop

    @Slot(int)
    def move(self, x):
        return x

assert Panel.move(None, 3) == 3
Panel.moved.connect(print)
for make in (Panel, QObject, superqt.utils.thread_worker):
    try:
        make()
    except Exception as error:
        print(type(error).__name__, error)
"""


def test_qt_may_be_imported_and_not_used() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", QT], capture_output=True, text=True, check=True
    )
    lines = ran.stdout.splitlines()
    assert len(lines) == 3
    for line, name in zip(lines, ("Panel", "QObject", "thread_worker"), strict=True):
        assert line.startswith(f"UsageError This plugin wants a window ({name} of Qt), and where")
        assert line.endswith("there is none: open it in napari.")
