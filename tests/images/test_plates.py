"""Plates: wells and fields as one image, exactly where they belong, without reading them all."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from gzip import compress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.cli import main
from opsin.errors import Corrupt, OpenError, OpsinError, Unreachable
from opsin.images.derived import stored_levels
from opsin.images.description import describe, describe_text
from opsin.images.image import Image
from opsin.images.readers import open_image, open_images
from opsin.images.waiting import wait_for
from opsin.images.zarr import mosaic_layout
from opsin.images.zarr.mosaic import mosaic_of
from opsin.images.zarr.plate_metadata import parse_plate
from tests.fault_server import Site

ROWS, COLUMNS = "BCD", ["2", "3", "4", "5"]
AXES = [
    {"name": "c", "type": "channel"},
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "micrometer"},
]
SHAPE = (2, 75, 90)


def pixels(well: str, field: str, shape: tuple[int, ...] = SHAPE) -> Any:
    rng = np.random.default_rng([*f"{well}/{field}".encode()])
    return rng.integers(1, 60000, shape).astype(np.uint16)


def ome(group: Any, attributes: dict[str, Any]) -> None:
    if group.metadata.zarr_format == 3:
        group.attrs["ome"] = {"version": "0.5", **attributes}
    else:
        group.attrs.update(attributes)


def make_field(
    group: Any,
    data: Any,
    levels: int = 3,
    chunks: tuple[int, ...] = (1, 32, 32),
    shards: tuple[int, ...] | None = None,
    pixel: float = 0.5,
    label: bool = False,
) -> None:
    datasets = []
    for level in range(levels):
        step = 2**level
        group.create_array(
            f"s{level}",
            data=data[:, ::step, ::step],
            chunks=chunks,
            shards=shards,
            compressors=None,
        )
        scale = {"type": "scale", "scale": [1, pixel * step, pixel * step]}
        shift = {"type": "translation", "translation": [0, 0, 0]}
        datasets.append({"path": f"s{level}", "coordinateTransformations": [scale, shift]})
    attributes: dict[str, Any] = {"multiscales": [{"axes": AXES, "datasets": datasets}]}
    ome(group, {**attributes, "image-label": {}} if label else attributes)


def clone_field(template: Path, folder: Path, data: Any) -> None:
    """A field like one that zarr-python wrote, with other pixels: ten times as quick to make."""
    shutil.copytree(template, folder, ignore=lambda _, names: [n for n in names if n[0] in "c012"])
    for path in template.glob("s*"):
        step = 2 ** int(path.name[1:])
        level = data[:, ::step, ::step]
        v3 = (path / "zarr.json").exists()
        said = json.loads((path / ("zarr.json" if v3 else ".zarray")).read_text())
        chunks = said["chunk_grid"]["configuration"]["chunk_shape"] if v3 else said["chunks"]
        grid = [-(-n // c) for n, c in zip(level.shape, chunks, strict=True)]
        for index in np.ndindex(*grid):
            chunk = np.zeros(chunks, level.dtype)
            where = tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, chunks, strict=True))
            part = level[where]
            chunk[tuple(slice(n) for n in part.shape)] = part
            name = "/".join(["c", *map(str, index)]) if v3 else ".".join(map(str, index))
            target = folder / path.name / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(chunk.tobytes())


def make_plate(
    folder: Path,
    *,
    zarr_format: Any = 3,
    fields: tuple[str, ...] = ("0", "1", "2"),
    missing: tuple[str, ...] = ("C/3",),
    origin: Callable[[int], tuple[float, float]] | None = None,
    **options: Any,
) -> Path:
    root = zarr.open_group(str(folder), mode="w", zarr_format=zarr_format)
    paths = [f"{row}/{column}" for row in ROWS for column in COLUMNS]
    wells = [
        {"path": path, "rowIndex": "ABCD".index(path[0]), "columnIndex": int(path[2]) - 1}
        for path in paths
        if path not in missing
    ]
    rows, columns = ([{"name": name} for name in names] for names in ("ABCD", "123456"))
    ome(root, {"plate": {"rows": rows, "columns": columns, "wells": wells}})
    shape = options.pop("shape", SHAPE)
    template = None
    for entry in wells:
        path = str(entry["path"])
        well = root.create_group(path)
        ome(well, {"well": {"images": [{"path": name} for name in fields]}})
        for number, name in enumerate(fields):
            data = pixels(path, name, shape)
            if template is None or "shards" in options:
                template = folder / path / name
                make_field(well.create_group(name), data, **options)
            else:
                clone_field(template, folder / path / name, data)
            if origin is not None:
                at = json.dumps([0, *origin(number)])
                document = folder / path / name / "zarr.json"
                text = json.dumps(json.loads(document.read_text()))
                said = re.sub(r'"translation": \[[^]]*\]', f'"translation": {at}', text)
                document.write_text(said)
    return folder


def expected(image: Image, level: int, fields: dict[str, tuple[int, int]], side: int) -> Any:
    """A level of the plate, put together from its fields by plain arithmetic."""
    mosaic = mosaic_of(image)
    assert mosaic is not None
    geometry = mosaic.levels[level]
    y, x = geometry.pitch
    out = np.zeros(image.levels[level].shape, np.uint16)
    for i, row in enumerate(ROWS):
        for j, column in enumerate(COLUMNS):
            for name, (down, across) in fields.items():
                if f"{row}/{column}" != "C/3":
                    piece = pixels(f"{row}/{column}", name)[:, :: 2**level, :: 2**level]
                    top, left = (i * side + down) * y, (j * side + across) * x
                    out[:, top : top + piece.shape[1], left : left + piece.shape[2]] = piece
    return out


# ------------------------------------------------------------------------------ opening


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("place", ["local", "http"])
def test_a_plate_opens_as_a_mosaic_of_its_fields(site: Site, zarr_format: int, place: str) -> None:
    fields = {"0": (0, 0), "1": (0, 1), "2": (1, 0)} if place == "local" else {"0": (0, 0)}
    side = 2 if place == "local" else 1
    folder = make_plate(site.root / "p.ome.zarr", zarr_format=zarr_format, fields=(*fields,))
    with open_image(str(folder) if place == "local" else f"{site.url}/p.ome.zarr") as image:
        assert (image.name, image.kind, image.axis_names) == ("p", "image", ("c", "y", "x"))
        assert image.warnings == ()
        assert image.source.provenance == ("disk" if place == "local" else "network")
        for level in range(3):
            np.testing.assert_array_equal(image.read(level), expected(image, level, fields, side))
        part = (1, slice(70, 200), slice(100, 101))
        np.testing.assert_array_equal(image.read(0, part), expected(image, 0, fields, side)[part])


def test_what_is_said_of_a_plate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_plate(tmp_path / "p.zarr")
    with open_image(folder) as image:
        said = describe(image)["mosaic"]
        assert said["rows"] == ["B", "C", "D"]
        assert said["columns"] == ["2", "3", "4", "5"]
        assert said["wells"][:5] == ["B/2", "B/3", "B/4", "B/5", "C/2"]
        assert (len(said["wells"]), said["fields"]) == (11, [2, 2])
        y, x = said["pitch"]
        row, column = 2 * 2 * y, 1 * 2 * x  # D/3: the third row, the second column
        np.testing.assert_array_equal(
            image.read(0, (0, slice(row, row + 75), slice(column, column + 90))),
            pixels("D/3", "0")[0],
        )
    assert main(["info", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "  wells       11 in 3 rows (B to D) and 4 columns (2 to 5)\n" in out
    assert "  fields      3 in each well, in 2 × 2\n" in out
    assert main(["snapshot", str(folder), str(tmp_path / "p.png")]) == 0
    with open_image(folder / "B/2/0") as image:
        assert describe(image)["mosaic"] is None
        assert "wells" not in describe_text(image)


def test_a_well_and_a_field_are_picked_by_their_path(tmp_path: Path) -> None:
    folder = make_plate(tmp_path / "p.zarr")
    with open_image(folder / "D/4") as image:
        assert image.name == "p/D/4"
        assert describe(image)["mosaic"]["fields"] == [2, 2]
        assert "fields      3, in 2 × 2" in describe_text(image)
        mosaic = mosaic_of(image)
        assert mosaic is not None
        y, x = mosaic.levels[0].pitch
        np.testing.assert_array_equal(image.read()[:, y:, :90], pixels("D/4", "2"))
        assert not image.read()[:, y:, x:].any()
    with open_image(folder / "D/4/1") as image:
        assert image.name == "p/D/4/1"
        np.testing.assert_array_equal(image.read(), pixels("D/4", "1"))
    single = make_plate(tmp_path / "q.zarr", fields=("f",))
    with open_image(single / "D/4") as image:
        assert (image.name, mosaic_of(image)) == ("q/D/4/f", None)
        np.testing.assert_array_equal(image.read(), pixels("D/4", "f"))


def test_fields_lie_as_their_positions_say(tmp_path: Path) -> None:
    """Acquired as a snake, with some overlap and some jitter."""
    snake = [(900, 70), (900, 110), (935.5, 110.25), (935, 70.5)]
    folder = make_plate(tmp_path / "p.zarr", fields=("0", "1", "2", "3"), origin=lambda n: snake[n])
    with open_image(folder) as image:
        fields = {"0": (0, 0), "1": (0, 1), "2": (1, 1), "3": (1, 0)}
        np.testing.assert_array_equal(image.read(), expected(image, 0, fields, 2))
        assert all(level.translation == (0, 0, 0) for level in image.levels)


def test_sharded_fields(tmp_path: Path) -> None:
    folder = make_plate(tmp_path / "p.zarr", fields=("0",), shards=(2, 64, 64))
    with open_image(folder) as image:
        np.testing.assert_array_equal(image.read(), expected(image, 0, {"0": (0, 0)}, 1))


def test_large_fields_are_read_chunk_by_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WHOLE_BYTES", "MOST_WHOLE_BYTES"):
        monkeypatch.setattr(mosaic_layout, name, 1 << 11)  # more than level 2 has
    folder = make_plate(tmp_path / "p.zarr", fields=("0", "1", "2"))
    with open_image(folder) as image:
        assert [level.chunks for level in image.levels] == [(1, 32, 32), (1, 32, 32), (1, 32, 32)]
        mosaic = mosaic_of(image)
        assert mosaic is not None
        assert [level.pitch for level in mosaic.levels] == [(128, 128), (64, 64), (32, 32)]
        fields = {"0": (0, 0), "1": (0, 1), "2": (1, 0)}
        for level in range(3):
            np.testing.assert_array_equal(image.read(level), expected(image, level, fields, 2))


def test_labels_of_the_fields_are_a_mosaic_that_lies_over_them(tmp_path: Path) -> None:
    folder = make_plate(tmp_path / "p.zarr", fields=("0",))
    for row in ROWS:
        for column in COLUMNS:
            if f"{row}/{column}" in ("C/3", "D/5"):  # in D/5 nothing was segmented
                continue
            field = zarr.open_group(str(folder / row / column / "0"), mode="a")
            group = field.create_group("labels/cells")
            mask = pixels(f"{row}/{column}", "0")[:1, ::2, ::2] % 7
            make_field(group, mask, levels=2, pixel=1, label=True)
            ome(field["labels"], {"labels": ["cells"]})
    image, labels = open_images(folder)
    with image, labels:
        assert (labels.kind, labels.name) == ("labels", "cells")
        fine, coarse = image.levels[0], labels.levels[0]
        mosaics = mosaic_of(image), mosaic_of(labels)
        assert mosaics[0] is not None
        assert mosaics[1] is not None
        for axis, a in ((1, 0), (2, 1)):
            pitches = [mosaic.levels[0].pitch[a] for mosaic in mosaics if mosaic is not None]
            assert pitches[0] * fine.scale[axis] == pitches[1] * coarse.scale[axis]
        whole = expected(image, 0, {"0": (0, 0)}, 1)
        y, x = mosaics[0].levels[0].pitch
        whole[:, 2 * y :, 3 * x :] = 0
        found = labels.read()[0]
        np.testing.assert_array_equal(found, (whole[0, ::2, ::2] % 7)[: found.shape[0]])


def test_only_one_acquisition_is_shown(tmp_path: Path) -> None:
    folder = make_plate(tmp_path / "p.zarr", fields=("0", "1"))
    for path in sorted(folder.glob("?/?")):
        well = zarr.open_group(str(path), mode="a")
        images = [{"path": "0", "acquisition": 4}, {"path": "1", "acquisition": 7}]
        ome(well, {"well": {"images": images}})
    with open_image(folder) as image:
        assert image.warnings == ("Only acquisition 4 is shown; the others are 7.",)
        np.testing.assert_array_equal(image.read(), expected(image, 0, {"0": (0, 0)}, 1))


# ------------------------------------------------------------------------------ thousands


def test_a_large_plate_opens_with_few_requests(site: Site) -> None:
    """1536 wells of 9 fields, of which only one well is there: that is all that is read."""
    folder = site.root / "p.zarr"
    root = zarr.open_group(str(folder), mode="w")
    rows = [chr(65 + i) if i < 26 else "A" + chr(39 + i) for i in range(32)]
    wells = [{"path": f"{row}/{column + 1}"} for row in rows for column in range(48)]
    ome(root, {"plate": {"wells": wells}})
    well = root.create_group("A/1")
    ome(well, {"well": {"images": [{"path": str(n)} for n in range(9)]}})
    for n in range(9):
        make_field(well.create_group(str(n)), pixels("A/1", str(n)))
    with open_image(f"{site.url}/p.zarr") as image:
        assert len(site.requests) < 60
        levels = [level.shape[1:] for level in image.levels]
        assert levels[0][0] > 32 * 3 * 75
        assert max(levels[-1]) <= 1024
        assert stored_levels(image) == 3 < len(levels)
        description = describe(image)
        assert description["mosaic"]["rows"] == rows
        assert [level["stored"] for level in description["levels"]][:4] == [True] * 3 + [False]
        site.requests.clear()
        corner = image.read(0, (0, slice(75), slice(90)))
        np.testing.assert_array_equal(corner, pixels("A/1", "0")[0])
        assert len(site.requests) <= 3 + 9  # well, field and level; then its chunks


def test_an_overview_takes_one_request_for_each_field(site: Site) -> None:
    shape = (2, 150, 160)
    make_plate(site.root / "p.zarr", shape=shape, levels=1, chunks=(1, 160, 160))
    with open_image(f"{site.url}/p.zarr") as image:
        assert stored_levels(image) == 1 == len(image.levels) - 1
        site.requests.clear()
        overview = image.read(1, (0,))
        chunks = [path for path, _ in site.requests]
        assert all(path.endswith("/s0/c/0/0/0") for path in chunks)
        assert len(chunks) == len(set(chunks)) == 33
        mosaic = mosaic_of(image)
        assert mosaic is not None
        y, x = mosaic.levels[1].pitch
        for field, (row, column) in {"B/2/0": (0, 0), "D/5/1": (4, 7), "C/4/2": (3, 4)}.items():
            mean = pixels(field[:3], field[4:], shape)[0].reshape(75, 2, 80, 2).mean((1, 3))
            found = overview[row * y : row * y + 75, column * x : column * x + 80]
            np.testing.assert_array_equal(found, np.rint(mean))
        assert not overview[2 * y : 4 * y, 2 * x : 4 * x].any()
        site.requests.clear()
        np.testing.assert_array_equal(image.read(1, (0,)), overview)
        assert site.requests == []  # remembered


def test_reduced_labels_pick_a_pixel(tmp_path: Path) -> None:
    shape = (1, 300, 300)
    options: dict[str, Any] = {"levels": 1, "label": True, "chunks": (1, 150, 150)}
    folder = make_plate(tmp_path / "p.zarr", fields=("0", "1"), shape=shape, **options)
    with open_image(folder) as labels:
        assert labels.kind == "labels"
        assert len(labels.levels) == 3
        first = labels.read(2, (0, slice(75), slice(75)))
        np.testing.assert_array_equal(first, pixels("B/2", "0", shape)[0, 1::4, 1::4])
        assert labels.levels[2].translation == (0, 0.5, 0.5)


# ------------------------------------------------------------------------------ fields that differ


def replaced(folder: Path, data: Any, **options: Any) -> None:
    shutil.rmtree(folder)
    make_field(zarr.open_group(str(folder), mode="w"), data, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": pixels("x", "y", (2, 74, 90))}, "has the shape 2 × 74 × 90, not 2 × 75 × 90 as"),
        ({"chunks": (1, 16, 32)}, "has chunks of 1 × 16 × 32, not 1 × 32 × 32 as the first, so"),
        ({"data": pixels("x", "y").astype(np.uint8)}, "is uint8, not uint16 as the first"),
        ({"pixel": 0.6}, "has the scale 1, 0.6, 0.6, not 1, 0.5, 0.5 as the first"),
        ({"levels": 2}, "has no level 's2'"),
    ],
)
def test_a_field_that_differs_fails_and_is_not_misplaced(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    folder = make_plate(tmp_path / "p.zarr")
    replaced(folder / "C/5/1", **{"data": pixels("x", "y"), **change})
    with open_image(folder) as image:
        mosaic = mosaic_of(image)
        assert mosaic is not None
        y, x = mosaic.levels[0].pitch
        row, column = 1 * 2 * y, (3 * 2 + 1) * x
        for _ in range(2):
            with pytest.raises(Corrupt, match="Field 1 of well C/5 ") as caught:
                image.read(0, (0, slice(row, row + 5), slice(column, column + 5)))
            assert message in str(caught.value)
            assert str(caught.value).endswith("so it is not shown: open it alone.")
        there = image.read(0, (slice(None), slice(row, row + 75), slice(column - x, column)))
        np.testing.assert_array_equal(there[:, :, :90], pixels("C/5", "0"))


def test_broken_metadata_of_a_field_or_well_fail_it_alone(tmp_path: Path) -> None:
    folder = make_plate(tmp_path / "p.zarr", fields=("0",))
    (folder / "B/3/0/zarr.json").write_text("{")
    (folder / "B/4/zarr.json").write_text("[]")
    (folder / "B/5/0/s0/zarr.json").write_text("nonsense")
    group = json.loads((folder / "C/2/0/zarr.json").read_text())
    group["attributes"]["ome"]["multiscales"] = 5
    (folder / "C/2/0/zarr.json").write_text(json.dumps(group))
    with open_image(folder) as image:
        mosaic = mosaic_of(image)
        assert mosaic is not None
        y, x = mosaic.levels[0].pitch
        for row, column, message in (
            (0, 1, "not valid JSON"),
            (0, 2, "not a JSON object"),
            (0, 3, "not valid JSON"),
            (1, 0, "has no 'multiscales'"),
        ):
            with pytest.raises(Corrupt, match=message):
                image.read(0, (0, slice(row * y, row * y + 9), slice(column * x, column * x + 9)))
        np.testing.assert_array_equal(
            image.read(0, (0, slice(75), slice(90))), pixels("B/2", "0")[0]
        )


def test_in_an_overview_what_cannot_be_read_is_left_empty(site: Site) -> None:
    folder = make_plate(
        site.root / "p.zarr", fields=("0",), shape=(1, 320, 320), levels=1, chunks=(1, 320, 320)
    )
    (folder / "B/3/0/s0/c/0/0/0").write_bytes(b"not what was stored")
    shutil.rmtree(folder / "B/4")
    replaced(folder / "D/2/0", pixels("x", "y", (1, 320, 160)), levels=1, chunks=(1, 320, 160))
    with open_image(f"{site.url}/p.zarr") as image:
        mosaic = mosaic_of(image)
        assert mosaic is not None
        assert stored_levels(image) == 1
        y, x = mosaic.levels[1].pitch

        def field(row: int, column: int) -> Any:
            rows = slice(row * y, row * y + 160)
            return image.read(1, (0, rows, slice(column * x, column * x + 160)))

        site.status["D/5/0/s0/c"] = 503
        with pytest.raises(Unreachable, match="answered 503"):
            field(2, 3)
        site.status.clear()
        for row, column in ((0, 1), (0, 2), (2, 0)):
            assert not field(row, column).any()
        for row, column in ((0, 0), (2, 3), (1, 3)):
            assert field(row, column).all()
        with pytest.raises(Corrupt, match="holds 19 bytes, not"):
            image.read(0, (0, slice(9), slice(2 * x, 2 * x + 9)))


def test_wells_may_call_their_fields_otherwise(tmp_path: Path) -> None:
    folder = make_plate(
        tmp_path / "p.zarr", fields=("0", "1"), shape=(2, 300, 300), levels=1, chunks=(1, 300, 150)
    )
    (folder / "D/3/1").rename(folder / "D/3/second")
    (folder / "D/4/0").rename(folder / "D/4/first")
    shutil.rmtree(folder / "D/4/1")
    for path, names in (("D/3", ["0", "second"]), ("D/4", ["first"])):
        well = zarr.open_group(str(folder / path), mode="a")
        ome(well, {"well": {"images": [{"path": name} for name in names]}})
    for level in (0, 1):
        with open_image(folder) as image:
            mosaic = mosaic_of(image)
            assert mosaic is not None
            y, x = mosaic.levels[level].pitch
            side = 300 >> level
            for field, column in {"D/3/1": 3, "D/4/0": 4, "D/4/1": 5}.items():
                where = (
                    slice(None),
                    slice(2 * y, 2 * y + side),
                    slice(column * x, column * x + side),
                )
                found = image.read(level, where)
                if field == "D/4/1":
                    assert not found.any()
                    continue
                data = pixels(field[:3], field[4:], (2, 300, 300)).astype(float)
                if level:
                    data = np.rint(data.reshape(2, 150, 2, 150, 2).mean((2, 4)))
                np.testing.assert_array_equal(found, data)


@pytest.mark.parametrize(
    ("plate", "message"),
    [
        (5, "is a zarr group, but not"),
        ({}, "names no wells"),
        ({"wells": []}, "names no wells"),
        ({"wells": [5, {"path": "/etc"}]}, "no well whose place on the plate is known"),
        ({"wells": [{"path": "A/1"}]}, r"no field in any of A/1\."),
    ],
)
def test_plates_without_wells(tmp_path: Path, plate: Any, message: str) -> None:
    ome(zarr.open_group(str(tmp_path / "p.zarr"), mode="w"), {"plate": plate})
    with pytest.raises(OpenError, match=message):
        open_image(tmp_path / "p.zarr")


def test_the_first_field_is_looked_for_in_several_wells(tmp_path: Path) -> None:
    folder = make_plate(tmp_path / "p.zarr", fields=("0",))
    shutil.rmtree(folder / "B/2")
    (folder / "B/3/0/zarr.json").write_text("{")
    with open_image(folder) as image:
        mosaic = mosaic_of(image)
        assert mosaic is not None
        x = 2 * mosaic.levels[0].pitch[1]
        np.testing.assert_array_equal(
            image.read(0, (slice(None), slice(75), slice(x, x + 90))), pixels("B/4", "0")
        )
    for column in "345":
        shutil.rmtree(folder / "B" / column)
    for row in "CD":
        shutil.rmtree(folder / row)
    with pytest.raises(OpenError, match="is a plate, but there is no field in any of B/2, B/3"):
        open_image(folder)


def test_wells_whose_place_is_not_known_are_named() -> None:
    wells = [
        {"path": "A/1"},
        {"path": "A/1"},
        {"path": "Z/9"},
        7,
        {"path": "x", "rowIndex": 0, "columnIndex": 1},
    ]
    plate = parse_plate(
        {"wells": wells, "rows": [{"name": "A"}], "columns": [{"name": "1"}, {"name": "2"}]}
    )
    assert plate.wells == {(0, 0): "A/1", (0, 1): "x"}
    (warning,) = plate.warnings
    assert warning == (
        "3 of 5 wells are left out, because their place on the plate is not known or taken: "
        "'A/1', 'Z/9', 7."
    )


def test_another_process_decodes_the_same(site: Site) -> None:
    """Also a field that is compressed in a way of its own."""
    folder = make_plate(site.root / "p.zarr", fields=("0", "1"))
    document = folder / "B/4/1/s0/zarr.json"
    said = json.loads(document.read_text())
    gzip = {"name": "gzip", "configuration": {"level": 1}}
    document.write_text(json.dumps({**said, "codecs": [*said["codecs"], gzip]}))
    for path in (folder / "B/4/1/s0/c").rglob("[0-9]"):
        if path.is_file():
            path.write_bytes(compress(path.read_bytes()))
    for address in (str(folder), f"{site.url}/p.zarr"):
        with open_image(address) as image:
            for column, name in ((0, "B/2/0"), (5, "B/4/1")):
                encoded = wait_for(image.source.fetch(0, (1, 0, column)))
                copy = pickle.loads(pickle.dumps(image.source))
                chunk = copy.decode(0, (1, 0, column), encoded)
                np.testing.assert_array_equal(chunk[0, :75, :90], pixels(name[:3], name[4:])[1])
                copy.close()


# ------------------------------------------------------------------------------ nonsense


def test_chunks_of_one_pixel_are_refused_before_anybody_goes_through_them(tmp_path: Path) -> None:
    folder = make_plate(tmp_path / "p.zarr", fields=("0",), shape=(1, 8, 8), levels=1)
    for path in folder.rglob("s0/zarr.json"):
        said = json.loads(path.read_text())
        said["shape"] = [1, 2800, 2800]
        said["chunk_grid"]["configuration"]["chunk_shape"] = [1, 1, 1]
        path.write_text(json.dumps(said))
    with pytest.raises(OpenError, match=r"p.zarr is said to have 7840000 chunks at level 0, which"):
        open_image(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 4) | st.floats() | st.sampled_from(["A", "B/2"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["path", "name", "rowIndex", "columnIndex"]), inner)
        | st.just({"path": "B/2"})
    ),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["wells", "rows", "columns", "acquisitions"]), JSON),
    st.dictionaries(st.just("images"), JSON | st.just([{"path": "0"}, {"path": "0"}])),
)
def test_nonsense_is_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, plate: dict[str, Any], well: dict[str, Any]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "plates.zarr"
    if not folder.exists():
        make_plate(folder, fields=("0",), shape=(1, 8, 8), levels=1)
    group = {"zarr_format": 3, "node_type": "group"}
    for path, ome in (("", {"plate": plate}), ("B/2", {"well": well})):
        text = json.dumps({**group, "attributes": {"ome": ome}})
        (folder / path / "zarr.json").write_text(text)
    with suppress(OpsinError), open_image(folder) as image:
        json.dumps(describe(image), allow_nan=False)
        with suppress(OpsinError):
            image.read(len(image.levels) - 1, (0, slice(9), slice(9)))
