"""Points, shapes and tables as inputs of operations: from files and from Python, and repeated."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opsin.chunks.camera import Camera
from opsin.errors import UsageError
from opsin.host.again import run_again
from opsin.host.blocking import load
from opsin.host.host import Host
from opsin.host.host_thread import HostThread
from opsin.host.image_calls import save
from opsin.host.job import Job
from opsin.host.script import script
from opsin.host.selection import Given, Visible, Where, Whole, select
from opsin.images.image import Image
from opsin.images.layer import Layer
from opsin.images.memory import image_from_array
from opsin.images.points.reader import open_points
from opsin.images.points.rows import Rows, read_rows, rows_from_columns
from opsin.images.readers import open_image
from opsin.images.write import write_image
from opsin.plugins.formats import read_plugin
from opsin.plugins.manifest import Operation
from tests.host.hosting import hosting, layer
from tests.host.plugins import write_plugin
from tests.host.test_recorder import done, repeated
from tests.rpc.running import run

ROOT = Path(__file__).parents[2]
OPSIN = Path(sys.executable).with_name("opsin")

SOURCE = '''
import numpy as np
from opsin.types import Image, Labels, Metadata, Points, Shapes, Table


def count_near(points: Points, radius: float = 1.0) -> Table:
    """How many other points are near each."""
    away = np.linalg.norm(points[:, None] - points[None], axis=-1)
    return {"x": points[:, -1], "near": (away < radius).sum(1) - 1}


def moved(points: Points, by: float = 1.0) -> Points:
    return points + by


def bright(image: Image) -> Points:
    return np.argwhere(image > 250)


def below(image: Image, points: Points, metadata: Metadata) -> Table:
    at = np.rint(points).astype(int)
    return {"value": image[tuple(at.T)], "y": at[:, 0], "x": at[:, 1], "n": [len(at)] * len(at)}


def drawn(points: Points, size: int = 16) -> Labels:
    out = np.zeros((size, size), np.int32)
    at = np.rint(points).astype(int)[:, -2:]
    out[tuple(at.T)] = np.arange(1, len(at) + 1)
    return out


def where(points: Points, points_metadata: Metadata) -> Table:
    m = points_metadata
    return {"axis": list(m.axes), "unit": [str(u) for u in m.units], "scale": list(m.scale)}


def means(table: Table) -> Table:
    numbers = {k: v for k, v in table.items() if isinstance(v, np.ndarray)}
    return {"column": list(numbers), "mean": [float(np.nanmean(v)) for v in numbers.values()]}


def areas(shapes: Shapes) -> Table:
    sizes = [(p[:, 1] * np.roll(p[:, 0], 1) - p[:, 0] * np.roll(p[:, 1], 1)).sum() for p in shapes]
    return {"area": np.abs(sizes) / 2, "corners": [len(p) for p in shapes]}


def masked(image: Image, shapes: Shapes) -> Table:
    return {"first": [float(p[0, 0]) for p in shapes]}


def both(a: Points, b: Points) -> Table:
    return {"n": [len(a), len(b)]}


def grown(points: Points, image: Image | None = None) -> Table:
    return {"y": points[:, 0]}
'''
PLACES = np.array([[3.0, 4.0], [3.5, 4.0], [9.0, 1.25]])
TABLE = "label,y,x,name\n7,3.0,4.0,a\n8,3.5,4.0,b\n9,9.0,1.25,c\n"
SHAPES = "index,vertex-index,axis-0,axis-1\n" + "".join(
    f"{shape},{corner},{y},{x}\n"
    for shape, corners in ((4, [(0, 0), (0, 4), (2, 4), (2, 0)]), (2, [(9, 9), (9, 12), (12, 9)]))
    for corner, (y, x) in enumerate(corners)
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "points.csv").write_text(TABLE)
    (tmp_path / "shapes.csv").write_text(SHAPES)
    write_plugin(tmp_path, SOURCE, "rows.py")
    return tmp_path


def operation(folder: Path, name: str) -> Operation:
    return read_plugin(folder / "rows.py").operation(name)


def start_with(
    host: Host, folder: Path, name: str, where: Where | None = None, **given: Given
) -> Job:
    registered = host.registry.add(folder / "rows.py")
    return host.run(host.program(registered, name, {}), given, where or Whole())


def stack() -> Image:
    pixels = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)
    return image_from_array(
        pixels, axes="zyx", name="stack", scale=(2, 0.5, 0.25), translation=(10, -1, 4)
    )


def test_points_alone_are_given_as_they_are_in_the_world(folder: Path) -> None:
    rows = read_rows(folder / "points.csv")

    async def main() -> None:
        async with hosting(folder) as host:
            near = await done(start_with(host, folder, "count_near", points=rows))
            assert dict(read_rows(near.results[0].path))["near"].tolist() == [1, 1, 0]
            assert near.title == "Count near · points.csv"
            moved = await done(start_with(host, folder, "moved", points=rows))
            (result,) = moved.results
            assert (result.kind, result.rows, result.counted) == ("points", 3, {})
            assert (read_rows(result.path, "points").positions() == PLACES + 1).all()
            (labels,) = (await done(start_with(host, folder, "drawn", points=rows))).results
            with open_image(labels.path) as image:
                assert (image.kind, image.shape) == ("labels", (16, 16))
                assert image.read(0, (9, 1)) == 3
                assert image.levels[0].translation == (0.0, 0.0)
            told = await done(start_with(host, folder, "where", points=rows))
            assert dict(read_rows(told.results[0].path))["axis"] == ["y", "x"]

    run(main())


def test_no_points_are_a_result_too(folder: Path) -> None:
    """And one that the next step takes."""
    (folder / "none.csv").write_text("y,x\n")

    async def main() -> None:
        async with hosting(folder) as host:
            none = read_rows(folder / "none.csv")
            (result,) = (await done(start_with(host, folder, "moved", points=none))).results
            assert (result.rows, result.path.read_text().split()) == (0, ["y,x"])
            again = read_rows(result.path)
            (table,) = (await done(start_with(host, folder, "count_near", points=again))).results
            assert table.rows == 0

    run(main())


def test_points_on_an_image_are_given_in_its_pixels_plane_by_plane(folder: Path) -> None:
    """Those at the edge belong to the pixel that they lie on; those beside it are left out."""
    pixels = [(0, 0, 0), (0, 19, 29), (1, 5.4, 7.4), (2, 5, 7), (0, 20, 3), (4, 1, 1), (1, -0.6, 2)]
    world = np.array(pixels) * (2, 0.5, 0.25) + (10, -1, 4)
    rows = rows_from_columns(dict(zip("zyx", world.T, strict=True)), "points", "mine")
    image = stack()

    async def main() -> None:
        async with hosting(folder) as host:
            job = start_with(host, folder, "below", image=Layer("stack", image), points=rows)
            (result,) = (await done(job)).results
            found = read_rows(result.path)
            assert result.counted == {"z": (2.0, 10.0)}
            shown = list(zip(found["z"], found["y"], found["x"], strict=True))
            assert shown == [(0, 0, 0), (0, 19, 29), (1, 5, 7), (2, 5, 7)]
            for place, value in zip(shown, found["value"], strict=True):
                assert value == image.read(0, place)

    run(main())


def test_points_in_a_visible_region_are_given_from_its_corner(folder: Path) -> None:
    image = image_from_array(np.arange(400.0).reshape(20, 20), axes="yx", name="image")
    rows = rows_from_columns({"y": [2, 8, 9], "x": [2, 9, 30]}, "points", "mine")
    where = Visible(Camera((9.0, 9.0), 1.0, (8, 8), {}))

    async def main() -> None:
        async with hosting(folder) as host:
            job = start_with(host, folder, "below", where, image=layer(image.read()), points=rows)
            found = read_rows((await done(job)).results[0].path)
            assert (found["value"].tolist(), found["n"].tolist()) == ([169.0], [1])
            assert (found["y"].tolist(), found["x"].tolist()) == ([3], [4])

    run(main())


def test_points_for_every_plane_have_world_positions_that_the_next_step_understands(
    folder: Path,
) -> None:
    pixels = np.zeros((3, 8, 8), np.uint8)
    pixels[0, 1, 2] = pixels[2, 3, 4] = 255
    image = image_from_array(pixels, axes="zyx", scale=(2, 0.5, 0.25), translation=(10, -1, 4))

    async def main() -> None:
        async with hosting(folder) as host:
            given = Layer("stack", image)
            (result,) = (await done(start_with(host, folder, "bright", image=given))).results
            found = read_rows(result.path, "points")
            assert found.positions().tolist() == [[10, -0.5, 4.5], [14, 0.5, 5]]
            job = start_with(host, folder, "below", image=given, points=found)
            values = read_rows((await done(job)).results[0].path)
            assert values["value"].tolist() == [255, 255]

    run(main())


def test_shapes_are_lists_of_corners_and_on_an_image_those_that_touch_it(folder: Path) -> None:
    rows = read_rows(folder / "shapes.csv")
    image = layer(np.zeros((5, 30)))

    async def main() -> None:
        async with hosting(folder) as host:
            (result,) = (await done(start_with(host, folder, "areas", shapes=rows))).results
            found = read_rows(result.path)
            assert (found["area"].tolist(), found["corners"].tolist()) == ([8, 4.5], [4, 3])
            job = start_with(host, folder, "masked", image=image, shapes=rows)
            assert read_rows((await done(job)).results[0].path)["first"].tolist() == [0.0]

    run(main())


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("count_near", {}, "needs points for its input 'points': name one"),
        ("means", {}, "needs a table for its input 'table': name one"),
        ("count_near", {"points": "image"}, "takes points as its input 'points', and one is an"),
        ("bright", {"image": "points"}, "is no image"),
        ("count_near", {"points": "bad"}, "rename the columns that hold positions to y and x"),
        ("areas", {"shapes": "points"}, "no column 'index', which tells shapes apart"),
        ("below", {"image": "image", "points": "deep"}, "they do not fit together"),
        ("both", {"a": "points", "b": "deep"}, "have different axes"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_runs(
    folder: Path, name: str, given: Mapping[str, str], said: str
) -> None:
    known: dict[str, Given] = {
        "points": read_rows(folder / "points.csv"),
        "image": layer(np.zeros((4, 4))),
        "bad": rows_from_columns({"a": [1.0]}, "table", "bad.csv"),
        "deep": rows_from_columns({"z": [1], "y": [1], "x": [1]}, "points", "deep"),
    }
    with pytest.raises(UsageError, match=said):
        select(operation(folder, name), {key: known[one] for key, one in given.items()}, Whole())


def test_a_run_is_estimated_by_its_points(folder: Path) -> None:
    async def main() -> None:
        async with hosting(folder) as host:
            program = host.program(host.registry.add(folder / "rows.py"), "count_near", {})
            rows = read_rows(folder / "points.csv")
            found = host.estimate(program, {"points": rows}, Whole())
            assert (found.rows, found.shape, found.calls) == (3, (), 1)

    run(main())


def test_from_python_files_columns_points_and_arrays_give_the_same(folder: Path) -> None:
    try:
        plugin = load(folder / "rows.py")
        path = folder / "points.csv"
        with open_points(path) as points:
            tables = [
                plugin.count_near(given, radius=1)
                for given in (PLACES, path, str(path), points, dict(read_rows(path)))
            ]
        for table in tables:
            assert table["near"].tolist() == [1, 1, 0]
        assert (plugin.moved(PLACES) == PLACES + 1).all()
        assert plugin.moved(path)["y"].tolist() == [4.0, 4.5, 10.0]
        assert plugin.means({"a": np.arange(3)})["mean"].tolist() == [1.0]
        assert plugin.means(path)["column"] == ["label", "y", "x"]
        assert plugin.areas([np.array([[0, 0], [0, 2], [2, 0]])])["area"].tolist() == [2.0]
        assert plugin.areas(folder / "shapes.csv")["area"].tolist() == [8.0, 4.5]
        with stack() as image:
            # In the pixels of the image if it is an array, in the world if it says so itself.
            at = np.array([[1.0, 5.0, 7.0]])
            pixels = plugin.below(image, at)
            world = at * (2, 0.5, 0.25) + (10, -1, 4)
            table = plugin.below(image, dict(zip("zyx", world.T, strict=True)))
            assert pixels["value"].tolist() == table["value"].tolist() == [image.read(0, (1, 5, 7))]
        plane = np.arange(200.0).reshape(10, 20)
        assert plugin.below(plane, path)["value"].tolist() == [64, 84, 181]
        with pytest.raises(UsageError, match="is no array of positions along y, x"):
            plugin.below(image_from_array(plane), np.zeros(3))
        with pytest.raises(UsageError, match="points is no table: its columns differ"):
            plugin.count_near({"y": [1], "x": [1, 2]})
        with pytest.raises(UsageError, match="table is no table: give a dict"):
            plugin.means([1])
    finally:
        HostThread.end_shared()


def test_a_script_of_points_gives_equal_results(folder: Path) -> None:
    """From an image to points, on to points and a table; a table from a file; points in memory."""
    pixels = np.random.default_rng(2).integers(0, 256, (3, 30, 40), np.uint8)
    write_image(
        image_from_array(pixels, axes="zyx", scale=(2, 0.5, 0.25), translation=(10, -1, 4)),
        folder / "cells.ome.zarr",
    )

    async def main() -> tuple[str, dict[str, Path]]:
        async with hosting(folder, front_end="browser") as host:
            with open_image(folder / "cells.ome.zarr") as image:
                given = Layer("cells", image)
                spots = await done(start_with(host, folder, "bright", image=given))
                found = read_rows(spots.results[0].path)
                moved = await done(start_with(host, folder, "moved", points=found))
                on = read_rows(moved.results[0].path)
                below = await done(start_with(host, folder, "below", image=given, points=found))
                near = await done(start_with(host, folder, "count_near", points=on))
            read = await done(
                start_with(host, folder, "means", table=read_rows(folder / "points.csv"))
            )
            columns = {"y": PLACES[:, 0], "x": PLACES[:, 1]}
            made = rows_from_columns(columns, "points", "painted")
            drawn = await done(start_with(host, folder, "drawn", points=made))
            assert host.recorder.step(drawn.id).inputs["points"].address.endswith(".csv")
            again = await done(await run_again(host, host.recorder.step(near.id)))
            assert again.results[0].path.read_text() == near.results[0].path.read_text()
            text = script(host.recorder.steps(), [one.id for one in (below, near, read, drawn)])
            paths = {
                key: job.results[0].path
                for key, job in zip(
                    ("points", "points_2", "table", "table_2", "table_3", "labels"),
                    (spots, moved, below, near, read, drawn),
                    strict=True,
                )
            }
            return text, paths

    text, paths = run(main())
    assert "points_2 = moved(points)\n" in text
    assert "below(cells, points=points)\n" in text
    made = repeated(folder, text)
    stem = "cells"
    for key, path in paths.items():
        if key == "labels":
            with open_image(made / f"{stem}-{key}.ome.zarr") as one, open_image(path) as other:
                assert (one.read() == other.read()).all()
        else:
            assert (made / f"{stem}-{key}.csv").read_bytes() == path.read_bytes(), key


def opsin(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [OPSIN, "run", *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_command_line_takes_csv_and_parquet(folder: Path) -> None:
    ran = opsin(folder, "rows.py:moved", "points.csv", "-o", "out.parquet", "by=2")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == f"{folder / 'out.parquet'} (3 rows)\n"
    ran = opsin(folder, "rows.py:moved", "points=out.parquet", "-o", "back.csv", "by=-2")
    assert ran.returncode == 0
    assert (read_rows(folder / "back.csv", "points").positions() == PLACES).all()
    (folder / "gaps.csv").write_text("y,x\n1,2\nnan,3\n,4\n")
    ran = opsin(folder, "rows.py:count_near", "gaps.csv", "-o", "near.csv")
    assert ran.stderr == "opsin: gaps.csv: 2 rows have no position and were left out.\n"
    assert (folder / "near.csv").read_text().splitlines() == ["x,near", "2.0,0"]
    for words, status, said in (
        (["rows.py:bright", "points.csv", "-o", "o.csv"], 2, "takes an image as its input 'image'"),
        (["rows.py:means", "none.csv", "-o", "o.csv"], 1, "There is nothing at none.csv"),
        (["rows.py:means", "points.csv", "-o", "o.txt"], 2, "end with .csv or .parquet"),
    ):
        ran = opsin(folder, *words)
        assert (ran.returncode, ran.stdout) == (status, "")
        (line,) = ran.stderr.splitlines()
        assert said in line


def test_a_table_is_saved_as_its_name_says(tmp_path: Path) -> None:
    columns: dict[str, Any] = {"y": [1.5, 2], "name": ["a", "b"]}
    for name in ("t.csv", "t.parquet"):
        save(columns, tmp_path / name)
        rows = read_rows(tmp_path / name)
        assert isinstance(rows, Rows)
        assert (rows["y"].tolist(), rows["name"]) == ([1.5, 2.0], ["a", "b"])
