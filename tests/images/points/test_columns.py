"""Columns with positions are found by their names."""

from __future__ import annotations

import pytest

from opsin.errors import Unsupported, UsageError
from opsin.images.points.columns import axis_columns


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("x y a", "y:y x:x"),
        ("Z Y X", "z:Z y:Y x:X"),
        ("t x y z", "t:t z:z y:y x:x"),
        ("index axis-0 axis-1 intensity", "y:axis-0 x:axis-1"),
        ("axis-0 axis-1 axis-2 axis-3", "t:axis-0 z:axis-1 y:axis-2 x:axis-3"),
        ("label centroid-0 centroid-1 centroid-2", "z:centroid-0 y:centroid-1 x:centroid-2"),
        ("X_centroid Y_centroid Area", "y:Y_centroid x:X_centroid"),
        ("Location_Center_X Location_Center_Y", "y:Location_Center_Y x:Location_Center_X"),
        ("POSITION_X POSITION_Y POSITION_T FRAME", "t:POSITION_T y:POSITION_Y x:POSITION_X"),
        ("xPos yPos frame", "y:yPos x:xPos"),
        ("time x_location y_location qv", "t:time y:y_location x:x_location"),
        ("x_um y_um x y", "y:y x:x"),  # the plainest
        ("sigma_x sigma_y pos_x pos_y", "y:pos_y x:pos_x"),
    ],
)
def test_columns_are_found(names: str, found: str) -> None:
    columns = axis_columns(names.split(), {}, "table")
    assert " ".join(f"{one.axis.name}:{one.column}" for one in columns) == found


def test_units_are_those_of_the_names() -> None:
    columns = axis_columns(["id", "x [nm]", "y [nm]", "t (s)"], {}, "table")
    assert [one.axis.unit for one in columns] == ["second", "nanometer", "nanometer"]
    assert [one.axis.type for one in columns] == ["time", "space", "space"]


@pytest.mark.parametrize(
    "names", ["", "a b", "x", "sigma_x sigma_y", "axis-0", "axis-1 axis-2", "v0 v1"]
)
def test_what_is_no_position_is_not_taken_for_one(names: str) -> None:
    with pytest.raises(Unsupported, match=r"^cells has no columns .* as in --columns y=row,x=col"):
        axis_columns(names.split(), {}, "cells")


def test_what_the_user_says_comes_first() -> None:
    columns = axis_columns(["x", "y", "row", "col", "frame"], {"x": "col", "y": "row"}, "table")
    assert [(one.axis.name, one.column) for one in columns] == [("y", "row"), ("x", "col")]
    columns = axis_columns(["x", "y", "frame"], {"x": "x", "y": "y", "t": "frame"}, "table")
    assert [one.column for one in columns] == ["frame", "y", "x"]
    with pytest.raises(UsageError, match="no column of numbers called 'z': it has x, y"):
        axis_columns(["x", "y"], {"x": "x", "y": "y", "z": "z"}, "table")
