"""What may be opened by name: what lies below a root, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsin.errors import UsageError
from opsin.server.roots import Roots


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root with images and traps, beside a secret."""
    root = tmp_path / "data"
    (root / "a" / "plate.ome.zarr" / "0").mkdir(parents=True)
    (root / ".ssh").mkdir()
    (tmp_path / "data-secret").mkdir()
    for file in ("data/cells.tif", "data/a/b.tif", "data/.ssh/key", "data-secret/key", "secret"):
        (tmp_path / file).write_text("x")
    (root / "inside").symlink_to(root / "a" / "b.tif")
    (root / "outside").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to(tmp_path)
    (root / "beside").symlink_to(tmp_path / "data-secret")
    (root / "hidden").symlink_to(root / ".ssh" / "key")
    (root / "loop").symlink_to(root / "loop")
    return root


def test_what_lies_below_is_found(tree: Path) -> None:
    roots = Roots([tree])
    assert roots.path("data/cells.tif") == tree / "cells.tif"
    assert roots.path("data/a/b.tif") == tree / "a" / "b.tif"
    assert roots.path("data/inside") == tree / "a" / "b.tif", "a link that stays below"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "data",
        "data/",
        "data/.",
        "data/..",
        "data/../secret",
        "data/a/../cells.tif",
        "data/a/../../secret",
        "data//etc/passwd",
        "data/a//b.tif",
        "/data/cells.tif",
        "/etc/passwd",
        "../secret",
        "other/cells.tif",
        "data/outside",
        "data/up/secret",
        "data/up/data/cells.tif/..",
        "data/beside/key",
        "data/hidden",
        "data/.ssh/key",
        "data/loop",
        "data/%2e%2e/secret",
        "data/..%2fsecret",
        "data/..\\secret",
        "data/cells.tif\0",
        "data/cells.tif/",
        "data/missing.tif",
        "data/" + "a/" * 100 + "b",
        "data/" + "n" * 5000,
        "data-secret/key",
    ],
)
def test_what_does_not_is_not(tree: Path, name: str) -> None:
    assert Roots([tree]).path(name) is None
    if name:
        assert Roots([tree]).split(f"{name}.zarr/zarr.json") is None


@pytest.fixture(scope="module")
def maze(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with links out of it."""
    base = tmp_path_factory.mktemp("maze")
    (base / "data" / "a").mkdir(parents=True)
    (base / "data" / "a" / "b.tif").write_text("x")
    (base / "data" / "up").symlink_to(base)
    (base / "data" / "outside").symlink_to("/etc/passwd")
    return base / "data"


@given(st.lists(st.sampled_from(["data", "a", "b.tif", "up", "..", ".", "", "outside", "~"])))
def test_no_way_leads_out(maze: Path, parts: list[str]) -> None:
    found = Roots([maze]).path("/".join(["data", *parts]))
    assert found is None or (found.is_relative_to(maze) and found != maze)


@given(st.text())
def test_any_text_is_a_file_below_or_nothing(maze: Path, text: str) -> None:
    roots = Roots([maze])
    for name in (text, f"data/{text}", f"data/{text}/a/b.tif"):
        path = roots.path(name)
        assert path is None or path.is_relative_to(maze)
        found = roots.split(f"{name}.zarr/0")
        assert found is None or found[1].is_relative_to(maze)


def test_an_address_is_taken_apart(tree: Path) -> None:
    roots = Roots([tree])
    plate = tree / "a" / "plate.ome.zarr"
    assert roots.split("data/cells.tif.zarr/0/c/1/2") == (
        "data/cells.tif",
        tree / "cells.tif",
        "0/c/1/2",
    )
    for address, rest in (("zarr.json", "zarr.json"), ("labels/n.zarr/0", "labels/n.zarr/0")):
        found = roots.split(f"data/a/plate.ome.zarr/{address}")
        assert found == ("data/a/plate.ome.zarr", plate, rest)
    assert roots.split("data/a/plate.ome.zarr.zarr/x") == ("data/a/plate.ome.zarr", plate, "x")
    assert roots.split("data/cells.tif/zarr.json") is None


def test_roots_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for name in ("one/data", "two/data"):
        (tmp_path / name).mkdir(parents=True)
    roots = Roots([tmp_path / "one/data", tmp_path / "two/data"])
    assert roots.folders == {"data": tmp_path / "one/data", "data-2": tmp_path / "two/data"}
    with pytest.raises(UsageError, match="--root"):
        Roots([tmp_path / "nothing"])
