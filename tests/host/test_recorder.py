"""What is recorded of runs, and the script that repeats them with equal results."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opsin.chunks.camera import Camera
from opsin.cli import main
from opsin.errors import UsageError
from opsin.host.host import Host
from opsin.host.job import Job
from opsin.host.script import script
from opsin.host.selection import Visible, Whole
from opsin.host.step import dependent, needed
from opsin.host.workspace import Workspace
from opsin.images.layer import Layer, layers_of
from opsin.images.memory import image_from_array
from opsin.images.readers import open_image
from opsin.images.write import write_image
from tests.host.hosting import hosting, layer, start
from tests.host.plugins import write_plugin
from tests.rpc.running import run, until

RANDOM = np.random.default_rng(5)
STACK = RANDOM.integers(0, 200, (2, 5, 300, 400), dtype=np.uint16)
SEEDED = """
import random
import numpy as np
from opsin.types import Image, Table
def draws(image: Image) -> Image:
    return np.random.random(image.shape)
def figures(image: Image) -> Table:
    return {"number": [random.random()], "mean": [float(image.mean())], "name": ["a"]}
"""


async def done(job: Job) -> Job:
    await job.wait()
    assert (job.state, job.error) == ("done", None)
    return job


def repeated(folder: Path, text: str) -> Path:
    """Run a script; the folder with what it gave."""
    path = folder / "again.py"
    path.write_text(text)
    subprocess.run(
        [sys.executable, "-W", "error", path, "--out", folder / "again"],
        cwd=folder,
        check=True,
        timeout=120,
        env={**os.environ, "OPSIN_DATA": str(folder / "other workspace")},
    )
    return folder / "again"


def test_a_script_of_several_steps_gives_equal_results(tmp_path: Path) -> None:
    """A region of one channel at a coarse level, its result and another image, then a table."""
    source = tmp_path / "my cells.ome.zarr"
    write_image(
        image_from_array(
            STACK, axes="czyx", scale=(1, 2, 0.5, 0.25), units=(None, "um", "um", "um")
        ),
        source,
        levels=3,
    )
    seen = Visible(Camera((20.0, 60.0), 1.0, (50, 60), {"z": 4.0}))

    async def main() -> tuple[list[Any], list[Path]]:
        async with hosting(tmp_path, front_end="browser") as host:
            with open_image(source) as image:
                channel = layers_of(image)[1]
                one = await done(
                    start(host, tmp_path, "bright", seen, None, {"threshold": 90}, image=channel)
                )
                with open_image(one.results[0].path) as labels:
                    mask = layers_of(labels)[0]
                    two = await done(
                        start(host, tmp_path, "inside", seen, image=channel, mask=mask)
                    )
                    three = await done(start(host, tmp_path, "placed", Whole(), image=mask))
                    four = await done(
                        start(host, tmp_path, "parts", Whole(1), image=Layer("all", image))
                    )
            paths = [result.path for job in (one, two, three, four) for result in job.results]
            return host.recorder.steps(), paths

    steps, paths = run(main(), 120)
    assert [step.operation for step in steps] == ["bright", "inside", "placed", "parts"]
    first = steps[0]
    assert first.front_end == "browser"
    assert (first.changed, first.parameters) == (("threshold",), {"threshold": 90.0})
    assert first.inputs["image"].content.startswith("sha256:")
    assert first.inputs["image"].level == 1
    assert set(first.inputs["image"].cut) == {"c", "z", "y", "x"}
    assert first.inputs["image"].cut["c"] == 1
    assert first.inputs["image"].cut["z"] == (2, 3)
    assert any(one.startswith("numpy==") for one in first.packages)
    assert {"queued", "preparing", "running", "writing"} <= set(first.timings)
    text = script(steps, [steps[1].id, steps[2].id, steps[3].id])
    assert "labels = bright(part_of_image, threshold=90.0)" in text
    assert "inside_result = inside(part_of_image, mask=labels)" in text
    # Names say which image it is, where there are several.
    folder = repeated(tmp_path, text)
    made = {path.name: path for path in folder.iterdir() if not path.name.startswith(".")}
    names = ["labels", "inside_result", "table", "labels_2", "parts_result", "table_2"]
    assert len(made) == len(paths) == len(names)
    for name, path in zip(names, paths, strict=True):
        if path.suffix == ".csv":
            assert made[f"my cells-{name}.csv"].read_bytes() == path.read_bytes()
            continue
        with open_image(made[f"my cells-{name}.ome.zarr"]) as again, open_image(path) as recorded:
            np.testing.assert_array_equal(again.read(), recorded.read())
            assert again.levels == recorded.levels
            assert again.axes == recorded.axes
            assert (again.kind, again.dtype) == (recorded.kind, recorded.dtype)


def test_what_was_only_in_memory_is_kept_and_random_numbers_come_again(tmp_path: Path) -> None:
    painted = RANDOM.integers(0, 3, (3, 60, 80)).astype(np.uint8)
    plugin = write_plugin(tmp_path, SEEDED, "seeded.py")

    async def main() -> tuple[str, list[Path]]:
        async with hosting(tmp_path) as host:
            jobs = []
            image = layer(painted, "zyx", scale=(3.0, 0.5, 0.5))
            for operation in ("draws", "figures"):
                program = host.program(host.registry.add(plugin), operation, {})
                jobs.append(await done(host.run(program, {"image": image}, Whole())))
            steps = host.recorder.steps()
            (path,) = {step.inputs["image"].address for step in steps}
            assert Path(path).parent == host.workspace.inputs
            with open_image(path) as kept:
                np.testing.assert_array_equal(kept.read(), painted)
                assert kept.levels[0].scale == (3.0, 0.5, 0.5)
            text = script(steps, [step.id for step in steps])
            return text, [job.results[0].path for job in jobs]

    text, (draws, figures) = run(main(), 60)
    folder = repeated(tmp_path, text)
    (again,) = folder.glob("*-draws_result.ome.zarr")
    with open_image(again) as one, open_image(draws) as other:
        np.testing.assert_array_equal(one.read(), other.read())
        planes = other.read()
        assert not np.array_equal(planes[0], planes[1])
    (table,) = folder.glob("*-table.csv")
    assert table.read_bytes() == figures.read_bytes()


def test_undone_and_failed_runs_are_told_apart(tmp_path: Path) -> None:
    one = layer(STACK[0, 0])

    async def main() -> None:
        async with hosting(tmp_path) as host:
            good = await done(start(host, tmp_path, "bright", image=one))
            bad = start(host, tmp_path, "fails", image=one)
            await bad.wait()
            slow = start(host, tmp_path, "slow", image=one)
            await until(lambda: slow.state == "running")
            slow.cancel()
            await slow.wait()
            recorder = host.recorder
            steps = {step.id: step for step in recorder.steps()}
            assert [step.state for step in steps.values()] == ["done", "failed", "cancelled"]
            assert steps[bad.id].error == "FileNotFoundError: no model"
            assert [step.counts for step in steps.values()] == [True, False, False]
            with pytest.raises(UsageError, match=r"Fails · one, level 0 came to nothing"):
                script(recorder.steps(), [bad.id])
            recorder.set_undone(good.id, True)
            assert not recorder.step(good.id).counts
            assert recorder.set_undone(good.id, False).counts
            assert good.results[0].path.exists()
            with pytest.raises(UsageError, match="No run called 0 is recorded"):
                recorder.step("0")

    run(main(), 60)


def test_what_depends_on_a_step_is_known(tmp_path: Path) -> None:
    async def main() -> None:
        async with hosting(tmp_path) as host:
            ids = []
            previous = layer(STACK[0, 0])
            images = []
            for _ in range(3):
                job = await done(start(host, tmp_path, "bright", image=previous))
                images.append(open_image(job.results[0].path))
                previous = layers_of(images[-1])[0]
                ids.append(job.id)
            ids.append((await done(start(host, tmp_path, "bright", image=layer(STACK[1, 1])))).id)
            for image in images:
                image.close()
            steps = host.recorder.steps()
            assert [step.id for step in needed(steps, [ids[1]])] == ids[:2]
            assert [step.id for step in dependent(steps, ids[0])] == ids[1:3]
            assert dependent(steps, ids[3]) == []

    run(main(), 60)


def test_an_image_that_cannot_be_kept_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsin.host.recorder.LARGEST_KEPT", 1000)

    async def main() -> None:
        async with hosting(tmp_path) as host:
            job = await done(start(host, tmp_path, "bright", image=layer(STACK[0, 0])))
            with pytest.raises(UsageError, match=r"one was in memory, and has more .* \(image\)"):
                script(host.recorder.steps(), [job.id])

    run(main(), 60)


def test_a_database_of_an_older_opsin_is_read_and_goes_on(tmp_path: Path) -> None:
    import sqlite3

    folder = tmp_path / "workspace"
    Workspace(folder).close()
    with sqlite3.connect(folder / "workspace.sqlite") as database:
        database.execute("DROP TABLE runs")
        database.execute(
            "CREATE TABLE runs (id TEXT PRIMARY KEY, started REAL, seconds REAL, state TEXT, "
            "title TEXT, plugin TEXT, digest TEXT, operation TEXT, request TEXT, error TEXT, "
            "results TEXT)"
        )
        database.execute("INSERT INTO runs (id, started) VALUES ('old', 1.0)")
    database.close()

    async def main() -> None:
        async with Host(Workspace(folder)) as host:
            await done(start(host, tmp_path, "bright", image=layer(STACK[0, 0])))
            assert len(host.recorder.steps()) == 1
            assert len(host.workspace.runs()) == 2

    run(main(), 60)


def test_the_commands_list_and_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(Path(__file__).parents[1] / "data/nuclei/test/images/003.png", tmp_path / "a.png")
    write_plugin(tmp_path)
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def opsin(*words: str) -> tuple[int, str, str]:
        return main(words), *capsys.readouterr()

    assert opsin("runs") == (0, "Nothing was run yet.\n", "")
    assert "There is no run to be written" in opsin("script")[2]
    assert opsin("run", "trial.py:bright", "a.png", "-o", "b.ome.zarr", "threshold=50")[0] == 0
    (line,) = opsin("runs")[1].splitlines()
    id = line.split()[0]
    assert "command line" in line
    assert "Bright · a, level 0" in line
    (told,) = json.loads(opsin("runs", "--json")[1])
    assert told["id"] == id
    assert opsin("script") == opsin("script", id[:6])
    assert opsin("script", "-o", "again.py") == (0, "again.py\n", "")
    assert "exists already: add --overwrite" in opsin("script", "-o", "again.py")[2]
    assert opsin("script", "-o", "again.py", "--overwrite")[0] == 0
    assert "nosuchrun is no run: see `opsin runs`." in opsin("script", "nosuchrun")[2]
    subprocess.run([sys.executable, "again.py"], check=True, timeout=60)
    with open_image(tmp_path / "results/a-labels.ome.zarr") as again:
        with open_image(tmp_path / "b.ome.zarr") as recorded:
            np.testing.assert_array_equal(again.read(), recorded.read())
        assert again.read().max() == 1
    assert "python" in opsin("runs")[1].splitlines()[1]
