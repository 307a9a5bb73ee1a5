"""Nodes: what is inside of a hierarchy is listed, each node opens by its address, and lazily."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.cli import main
from opsin.errors import NotFound, OpenError, OpsinError, Unsupported
from opsin.images.memory import image_from_array
from opsin.images.readers import browse, open_image
from opsin.images.readers.node import Node, describe_node, describe_node_text
from opsin.images.write import write_image
from tests.fault_server import Site

PIXELS = np.arange(48 * 32, dtype=np.uint16).reshape(48, 32)


def make(folder: Path, zarr_format: Any = 3) -> Path:
    """A zarr with images, labels, arrays and groups at several depths."""
    root = zarr.open_group(str(folder), mode="w", zarr_format=zarr_format)
    raw = root.create_group("raw")
    names = ["z", "y", "x"] if zarr_format == 3 else None
    raw.create_array("volume", data=np.ones((4, 5, 6), np.uint8), dimension_names=names)
    raw.create_array("deep/er/plane", data=PIXELS)
    root.create_group("empty")
    image(root, "cells", zarr_format)
    image(root.create_group("cells/labels", overwrite=True), "nuclei", zarr_format, label={})
    ome(root["cells/labels"], {"labels": ["nuclei"]}, zarr_format)
    return folder


def ome(group: Any, attributes: dict[str, Any], zarr_format: Any) -> None:
    group.attrs.update({"ome": attributes} if zarr_format == 3 else attributes)


def image(root: Any, name: str, zarr_format: Any = 3, label: Any = None) -> None:
    group = root.create_group(name)
    group.create_array("0", data=PIXELS)
    axes = [{"name": axis, "type": "space"} for axis in "yx"]
    transformations = [{"type": "scale", "scale": [1, 1]}]
    datasets = [{"path": "0", "coordinateTransformations": transformations}]
    attributes: dict[str, Any] = {"multiscales": [{"axes": axes, "datasets": datasets}]}
    ome(group, attributes if label is None else {**attributes, "image-label": label}, zarr_format)


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from walk(child)


INSIDE = {
    "": ("group", None, None),
    "cells": ("image", (48, 32), "uint16"),
    "cells/labels/nuclei": ("labels", (48, 32), "uint16"),
    "empty": ("group", None, None),
    "raw": ("group", None, None),
    "raw/deep": ("group", None, None),
    "raw/deep/er": ("group", None, None),
    "raw/deep/er/plane": ("array", (48, 32), "uint16"),
    "raw/volume": ("array", (4, 5, 6), "uint8"),
}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("place", ["local", "http"])
def test_the_tree_of_a_zarr_and_every_node_opens(
    site: Site, recwarn: pytest.WarningsRecorder, zarr_format: Any, place: str
) -> None:
    folder = make(site.root / "a b.zarr", zarr_format)
    address = str(folder) if place == "local" else f"{site.url}/a%20b.zarr/"
    if place == "http":  # which cannot list: what is inside is in the consolidated metadata
        zarr.consolidate_metadata(str(folder), zarr_format=zarr_format)
        recwarn.clear()  # zarr-python says that this is not a standard yet
    root = browse(address)
    nodes = {node.path: node for node in walk(root)}
    assert {p: (n.kind, n.shape, n.dtype) for p, n in nodes.items()} == INSIDE
    assert nodes["cells"].axes == ("y", "x")
    assert nodes["raw/volume"].axes == (("z", "y", "x") if zarr_format == 3 else ())
    assert all(node.note == "" for node in nodes.values())
    assert nodes["raw/deep/er"].name == "er"
    for node in nodes.values():
        if node.kind == "group":
            assert browse(node.address).kind == "group"
            with pytest.raises(Unsupported, match="is a zarr group"):
                open_image(node.address)
        else:
            with open_image(node.address) as opened:
                assert (opened.shape, opened.dtype.name) == (node.shape, node.dtype)
                assert (opened.kind == "labels") == (node.kind == "labels")


def test_over_http_without_consolidated_metadata_what_ome_names_is_found(site: Site) -> None:
    root = zarr.open_group(str(site.root / "a.zarr"), mode="w")
    root.attrs["ome"] = {"bioformats2raw.layout": 3}
    image(root, "0")
    image(root, "1")
    make(site.root / "b.zarr")
    assert [node.path for node in browse(f"{site.url}/a.zarr").children] == ["0", "1"]
    assert browse(f"{site.url}/b.zarr").children == ()
    (labels,) = browse(f"{site.url}/b.zarr/cells").children
    assert (labels.path, labels.kind) == ("labels/nuclei", "labels")


def test_a_folder_of_zarrs(tmp_path: Path) -> None:
    write_image(image_from_array(PIXELS), tmp_path / "b.ome.zarr")
    make(tmp_path / "a.zarr")
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "nothing").mkdir()
    (tmp_path / ".hidden.zarr").mkdir()
    root = browse(tmp_path)
    assert [(node.path, node.kind) for node in root.children] == [
        ("a.zarr", "group"),
        ("b.ome.zarr", "image"),
    ]
    with pytest.raises(Unsupported, match="holds nothing that can be opened"):
        browse(tmp_path / "nothing")
    with pytest.raises(Unsupported, match="holds nothing that can be opened"):
        browse(tmp_path / "notes.txt")
    with pytest.raises(NotFound):
        browse(tmp_path / "not there")
    with pytest.raises(OpenError, match="did not answer"):
        browse("http://127.0.0.1:1/a.zarr")


def plate(folder: Path, rows: int = 2, columns: int = 3) -> Path:
    root = zarr.open_group(str(folder), mode="w")
    wells = [f"{'ABCDEFGHIJKLMNOP'[r]}/{c + 1}" for r in range(rows) for c in range(columns)]
    root.attrs["ome"] = {"plate": {"wells": [{"path": path} for path in wells]}}
    for path in wells:
        well = root.create_group(path)
        well.attrs["ome"] = {"well": {"images": [{"path": "0"}]}}
        image(well, "0")
    return folder


def test_the_wells_of_a_plate_are_not_read_before_they_are_looked_into(site: Site) -> None:
    plate(site.root / "p.zarr")
    root = browse(f"{site.url}/p.zarr")
    assert (root.kind, root.note) == ("plate", "6 wells")
    site.requests.clear()
    assert [node.path for node in root.children] == ["A/1", "A/2", "A/3", "B/1", "B/2", "B/3"]
    assert site.requests == []
    well = root.children[4]
    (field,) = well.children
    assert (field.path, field.kind, field.shape) == ("B/2/0", "image", (48, 32))
    assert {path.split("/")[1:3] == ["B", "2"] for path, _ in site.requests} == {True}
    assert [node.path for node in browse(well.address).children] == ["0"]
    # In a tree of other things, a plate is one line.
    (inside,) = describe_node(browse(site.root))["children"]
    assert (inside["kind"], inside["note"], inside["children"]) == ("plate", "6 wells", [])


def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    root.create_array("complex", data=np.ones((4, 4), np.complex64))
    root.create_group("odd").attrs["ome"] = {"multiscales": [{"axes": 5}]}
    image(root, "good")
    (tmp_path / "a.zarr/broken").mkdir()
    (tmp_path / "a.zarr/broken/zarr.json").write_text("{")
    nodes = {node.path: node for node in browse(tmp_path / "a.zarr").children}
    assert sorted(nodes) == ["broken", "complex", "good", "odd"]
    assert "not valid JSON" in nodes["broken"].note
    assert "data type 'complex64'" in nodes["complex"].note
    assert "no list of levels" in nodes["odd"].note
    assert [node.path for node in browse(tmp_path / "a.zarr").openable()] == ["good"]
    with pytest.raises(Unsupported, match=r"open one of those in it, such as good\."):
        open_image(tmp_path / "a.zarr")


def test_a_tree_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make(tmp_path / "a.zarr")
    assert main(["info", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{folder}  group",
        "  cells        image, y 48 · x 32, uint16",
        "    nuclei     labels, y 48 · x 32, uint16",
        "  empty        group",
        "  raw          group",
        "    deep       group",
        "      er       group",
        "        plane  array, 48 × 32, uint16",
        "    volume     array, z 4 · y 5 · x 6, uint8",
    ]
    assert main(["info", "--json", str(folder)]) == 0
    said = json.loads(capsys.readouterr().out)
    keys = {"path", "kind", "shape", "dtype", "axes", "note", "children", "left_out"}
    assert set(said) == keys
    assert said == json.loads(json.dumps(describe_node(browse(folder))))
    assert str(tmp_path) not in json.dumps(said)
    assert main(["info", str(folder / "empty")]) == 1
    assert "is a zarr group" in capsys.readouterr().err


def test_at_most_so_many_nodes_are_looked_at() -> None:
    made = []

    def node(path: str, depth: int) -> Node:
        made.append(path)
        below = [f"{path}/{i}" for i in range(10)]
        return Node(path, path, "group", expand=lambda: [node(p, depth + 1) for p in below])

    root = node("", 0)
    described = describe_node(root, limit=25)

    def count(entry: dict[str, Any]) -> int:
        return 1 + sum(count(child) for child in entry["children"])

    assert count(described) == 25
    assert [child["left_out"] for child in described["children"][:4]] == [0, 6, None, None]
    assert len(made) <= 40
    made.clear()
    assert len(list(root.openable(30))) == 0
    assert len(made) <= 40
    text = describe_node_text(root, "all", limit=25)
    assert "6 more" in text
    assert "… more" in text
    endless = Node("", "", "group", expand=lambda: [endless])
    assert json.dumps(describe_node(endless)).count("children") == 13


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.floats() | st.sampled_from(["0", "raw"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["path", "wells", "images", "metadata", "datasets"]), inner
        )
    ),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["plate", "well", "labels", "multiscales", "bioformats2raw.layout"]), JSON
    ),
    JSON,
)
def test_nonsense_is_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, attributes: dict[str, Any], other: Any
) -> None:
    folder = tmp_path_factory.getbasetemp() / "nodes.zarr"
    if not folder.exists():
        make(folder)
    group = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": attributes}}
    (folder / "zarr.json").write_text(json.dumps({**group, "consolidated_metadata": other}))
    with suppress(OpsinError):
        json.dumps(describe_node(browse(folder), limit=20))
