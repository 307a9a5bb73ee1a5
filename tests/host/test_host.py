"""Jobs: what they give, how they end, and that nothing is left of those that failed."""

from __future__ import annotations

import asyncio
import gc
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from opsin.chunks.camera import Camera
from opsin.errors import PluginError, UsageError, WriteError
from opsin.host.job import Job, State
from opsin.host.selection import Visible, Whole
from opsin.host.workspace import Workspace
from opsin.images.layer import layers_of
from opsin.images.readers import open_image
from opsin.rpc.pool import default_pool
from tests.host.hosting import ended, hosting, layer, start, worker_processes
from tests.host.plugins import SOURCE, write_plugin
from tests.rpc.process import nothing_leaks
from tests.rpc.running import run, until

ROOT = Path(__file__).parents[2]
RANDOM = np.random.default_rng(1)
PLANE = RANDOM.integers(0, 200, (300, 700), dtype=np.uint16)


def test_a_job_gives_what_the_function_gives_where_its_input_lies(tmp_path: Path) -> None:
    states: list[tuple[State, float | None, float | None]] = []

    async def main() -> None:
        async with hosting(tmp_path) as host:
            host.listen(lambda job: states.append((job.state, job.done, job.total)))
            one = layer(PLANE, scale=(0.5, 0.25), translation=(3.0, 4.0), units=("micrometer",) * 2)
            job = await ended(start(host, tmp_path, "bright", image=one))
            assert (job.state, job.error) == ("done", None)
            (result,) = job.results
            assert result.path.parent.parent == host.workspace.results
            with open_image(result.path) as image:
                assert image.kind == "labels"
                assert image.dtype == np.int32
                np.testing.assert_array_equal(image.read(), PLANE > 100)
                assert image.levels[0].scale == (0.5, 0.25)
                assert image.levels[0].translation == (3.0, 4.0)
                assert [axis.unit for axis in image.axes] == ["micrometer"] * 2
                assert len(image.levels) > 1
            seen = Visible(Camera((30.0, 40.0), 4.0, (400, 100)))
            job = await ended(start(host, tmp_path, "bright", seen, image=one))
            with open_image(job.results[0].path) as image:
                box = (slice(29, 80), slice(0, 345))
                first = [
                    round((t - o) / s)
                    for t, o, s in zip(
                        image.levels[0].translation, (3.0, 4.0), (0.5, 0.25), strict=True
                    )
                ]
                cut = PLANE[first[0] :, first[1] :][: image.shape[0], : image.shape[1]]
                np.testing.assert_array_equal(image.read(), cut > 100)
                assert (first[0], image.shape[1]) == (box[0].start, 345 - first[1])

    with nothing_leaks():
        run(main(), 60)
    order = list(dict.fromkeys(state for state, _, _ in states))
    assert order == ["queued", "preparing", "running", "writing", "done"]


def test_nuclei_as_a_job_are_those_of_the_function(tmp_path: Path) -> None:
    """Of a real image, by a real plugin, called directly in another process."""
    path = ROOT / "tests/data/nuclei/test/images/003.png"
    direct = tmp_path / "direct.npy"
    script = (
        "import sys, numpy, imagecodecs; sys.path.insert(0, 'examples/plugins'); import nuclei;"
        f"numpy.save({str(direct)!r}, nuclei.nuclei(imagecodecs.imread({str(path)!r}), sigma=3))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)

    async def main() -> None:
        async with hosting(tmp_path) as host:
            registered = host.registry.add(ROOT / "examples/plugins/nuclei.py")
            program = host.program(registered, None, {"sigma": 3})
            with open_image(path) as image:
                job = host.run(program, {"image": layers_of(image)[0]}, Whole())
                await job.wait()
            with open_image(job.results[0].path) as labels:
                np.testing.assert_array_equal(labels.read(), np.load(direct))

    run(main(), 120)
    assert np.load(direct).max() > 10


def test_an_operation_on_planes_is_called_for_each_of_a_stack(tmp_path: Path) -> None:
    stack = RANDOM.integers(0, 200, (2, 3, 4, 50, 60), dtype=np.uint16)
    heard: list[tuple[float | None, float | None]] = []

    async def main() -> None:
        async with hosting(tmp_path) as host:
            one = layer(stack, "tczyx")
            job = start(host, tmp_path, "bright", image=one)
            job.listen(
                lambda job: heard.append((job.done, job.total)) if job.state == "running" else None
            )
            await job.wait()
            with open_image(job.results[0].path) as image:
                assert image.axis_names == ("t", "z", "y", "x")
                np.testing.assert_array_equal(image.read(), stack[:, 0] > 100)
            job = await ended(start(host, tmp_path, "middle", stack=one))
            with open_image(job.results[0].path) as image:
                assert image.axis_names == ("t", "y", "x")
                np.testing.assert_array_equal(image.read(), stack[:, 0, 2])
            job = await ended(
                start(host, tmp_path, "bright", Whole(0, {"t": 1, "z": 3}), image=one)
            )
            with open_image(job.results[0].path) as image:
                assert image.shape == (1, 1, 50, 60)
                assert image.levels[0].translation == (1, 3, 0, 0)
                np.testing.assert_array_equal(image.read(), stack[1:, 0, 3:] > 100)
            job = await ended(start(host, tmp_path, "turned", image=layer(stack[0, 0, 0])))
            with open_image(job.results[0].path) as image:
                assert image.axis_names == ("x", "y")
                np.testing.assert_array_equal(image.read(), stack[0, 0, 0].T + 1)

    run(main(), 60)
    assert (7, 8) in heard
    assert {total for _, total in heard} <= {None, 8}


def test_several_results_and_tables_are_written(tmp_path: Path) -> None:
    stack = RANDOM.integers(0, 20, (3, 40, 50), dtype=np.uint16)

    async def main() -> None:
        async with hosting(tmp_path) as host:
            job = await ended(start(host, tmp_path, "parts", image=layer(stack, "zyx")))
            assert job.error is None
            kinds = [(result.kind, result.rows) for result in job.results]
            assert kinds == [("labels", None), ("image", None), ("table", 3)]
            with open_image(job.results[0].path) as image:
                np.testing.assert_array_equal(image.read(), stack > 9)
            with open_image(job.results[1].path) as image:
                np.testing.assert_array_equal(image.read(), stack * 2)
            sums = [f"{z},{plane.sum()}" for z, plane in enumerate(stack)]
            assert job.results[2].path.read_text().splitlines() == ["z,sum", *sums]
            where = Whole(0, {"z": 1.0})
            job = await ended(start(host, tmp_path, "spots", where, image=layer(stack, "zyx")))
            table = np.loadtxt(job.results[0].path, delimiter=",", skiprows=1, ndmin=2)
            np.testing.assert_array_equal(table, np.argwhere(stack[1] == stack[1].max()))
            about = layer(stack[1], scale=(0.5, 2.0), translation=(10.0, 20.0))
            job = await ended(start(host, tmp_path, "spots", image=about))
            assert job.results[0].path.read_text().startswith("y,x\n")
            placed = np.loadtxt(job.results[0].path, delimiter=",", skiprows=1, ndmin=2)
            np.testing.assert_allclose(placed, table * (0.5, 2.0) + (10, 20))
            moved = layer(stack[0], scale=(2.0, 1.0), translation=(5.0, 0.0))
            seen = Visible(Camera((45, 20), 1, (20, 20)))
            job = await ended(start(host, tmp_path, "placed", seen, image=moved))
            assert job.results[0].path.read_text().split() == ["y,scale,level", "35.0,2.0,0"]

    run(main(), 60)


def test_of_a_lazy_input_only_what_is_indexed_is_read(tmp_path: Path) -> None:
    async def main() -> None:
        async with hosting(tmp_path) as host:
            pixels = np.tile(PLANE, (10, 5))
            one = layer(pixels, chunks=(512, 512))
            read: list[tuple[int, ...]] = []
            source = one.image.source
            fetch = source.fetch

            async def counted(level: int, index: tuple[int, ...]) -> object:
                read.append(index)
                return await fetch(level, index)

            source.fetch = counted  # type: ignore[method-assign,assignment]
            job = await ended(start(host, tmp_path, "corner", image=one))
            assert job.error is None
            assert len(set(read)) <= 4, "chunks are read a few at a time, and not all 42"
            with open_image(job.results[0].path) as image:
                expected = np.zeros_like(pixels)
                expected[:8, :8] = pixels[:8, :8]
                np.testing.assert_array_equal(image.read(), expected)

    run(main(), 60)


def left_behind(host_folder: Path) -> list[Path]:
    return sorted((host_folder / "workspace" / "results").rglob("*"))


@pytest.mark.parametrize(
    ("operation", "kind", "message"),
    [
        ("fails", "FileNotFoundError", "no model"),
        ("late", "ValueError", "second plane"),
        ("small", "PluginError", "small gave labels of shape (2, 2), but along y its input has"),
    ],
)
def test_a_job_that_fails_says_why_and_leaves_nothing(
    tmp_path: Path, operation: str, kind: str, message: str
) -> None:
    stack = np.stack([np.zeros((40, 50), np.uint8), np.ones((40, 50), np.uint8)])

    async def main() -> None:
        async with hosting(tmp_path) as host:
            target = tmp_path / "out.ome.zarr"
            one = layer(stack, "zyx")
            job = await ended(start(host, tmp_path, operation, targets=[target], image=one))
            assert job.state == "failed"
            assert job.error is not None
            assert job.error.type == kind
            assert job.error.message.startswith(message)
            if kind != "PluginError":
                assert 'trial.py", line' in job.error.traceback
                assert job.error.traceback.endswith(f"{kind}: {message}")
            job = await ended(start(host, tmp_path, "bright", targets=[target], image=one))
            assert job.state == "done", "the next one runs"
            runs = host.workspace.runs()
            assert {one["state"] for one in runs} == {"failed", "done"}
            assert {one["operation"] for one in runs} == {operation, "bright"}

    run(main(), 60)
    assert left_behind(tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out.ome.zarr",
        "trial.py",
        "workspace",
    ]


def test_cancelling_ends_a_job_in_every_state(tmp_path: Path) -> None:
    large = np.ones((6000, 6000), np.uint8)

    async def main() -> None:
        async with hosting(tmp_path, parallel=1) as host:
            one = layer(large)
            running = start(host, tmp_path, "slow", image=layer(PLANE))
            queued = start(host, tmp_path, "slow", image=layer(PLANE))
            await until(lambda: running.state == "running" and running.done)
            assert queued.state == "queued"
            queued.cancel()
            running.cancel()
            assert running.text == "cancelling"
            assert (await ended(queued)).state == (await ended(running)).state == "cancelled"
            writing = start(host, tmp_path, "noise", image=one)
            await until(lambda: writing.state == "writing" and writing.done)
            writing.cancel()
            assert (await ended(writing)).state == "cancelled"
            assert left_behind(tmp_path) == []
            stack = layer(np.ones((5, 40, 50), np.uint8), "zyx")
            between = start(host, tmp_path, "slow", image=stack)
            await until(lambda: between.state == "running" and between.done)
            between.cancel()
            assert (await ended(between)).state == "cancelled"
            after = await ended(start(host, tmp_path, "bright", image=one))
            assert after.state == "done"
            with pytest.raises(UsageError, match="has not ended"):
                open_job = start(host, tmp_path, "slow", image=one)
                host.forget_job(open_job.id)
            host.forget_job(after.id)
            assert after.id not in host.jobs

    with nothing_leaks():
        run(main(), 90)
    assert [path.name for path in left_behind(tmp_path) if path.name.endswith(".zarr")]


def has_begun(job: Job) -> bool:
    return job.state == "running" and (job.done or 0) > 0


def test_cancelled_jobs_do_no_harm_to_the_next(tmp_path: Path) -> None:
    stack = layer(np.ones((5, 40, 50), np.uint8), "zyx")

    async def main() -> None:
        async with hosting(tmp_path, parallel=1) as host:
            for again in (False, True):
                job = start(host, tmp_path, "slow", image=stack)
                await until(partial(has_begun, job))
                job.cancel()
                if again:  # another page, or the host that stops
                    await asyncio.sleep(0.1)
                    job.cancel()
                assert (await ended(job)).state == "cancelled"
                assert (await ended(start(host, tmp_path, "bright", image=stack))).state == "done"
            early = start(host, tmp_path, "bright", image=stack)
            early.cancel()  # before it has begun
            assert (await ended(early)).state == "cancelled"
            host.forget_job(early.id)
            assert len(left_behind(tmp_path / "workspace/results")) == 0
            assert len(list(host.workspace.results.iterdir())) == 2, "of those that are done"

    run(main(), 90)


def test_outputs_that_wait_for_their_turn_are_not_held_in_memory(tmp_path: Path) -> None:
    stack = RANDOM.integers(0, 20, (20, 500, 600), dtype=np.uint16)
    held: list[int] = []

    async def main() -> None:
        async with hosting(tmp_path) as host:
            outs = [tmp_path / name for name in ("a.ome.zarr", "b.ome.zarr", "c.csv")]
            job = start(host, tmp_path, "parts", targets=outs, image=layer(stack, "zyx"))
            job.listen(lambda job: held.append(default_pool().bytes))
            await job.wait()
            assert job.error is None
            with open_image(outs[0]) as image:
                np.testing.assert_array_equal(image.read(), stack > 9)
            with open_image(outs[1]) as image:
                np.testing.assert_array_equal(image.read(), stack * 2)
            assert len(outs[2].read_text().splitlines()) == 21

    run(main(), 60)
    assert max(held) < 6 * stack[0].nbytes
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_failed_job_holds_no_memory(tmp_path: Path) -> None:
    async def main() -> None:
        async with hosting(tmp_path) as host:
            for _ in range(3):
                await ended(start(host, tmp_path, "fails", image=layer(PLANE)))
            gc.collect()

            def all_is_back() -> bool:
                default_pool().trim()
                return default_pool().bytes == 0

            await until(all_is_back)
            assert len(host.jobs) == 3

    run(main(), 60)


def test_a_worker_that_is_killed_fails_its_job_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with hosting(tmp_path, parallel=2) as host:
            one = layer(PLANE)
            jobs = [start(host, tmp_path, "slow", image=one) for _ in range(2)]
            await until(lambda: all(job.done for job in jobs))
            first, second = worker_processes()
            first.kill()
            await until(lambda: any(job.has_ended for job in jobs))
            (dead,) = [job for job in jobs if job.has_ended]
            assert dead.error is not None
            assert dead.error.type == "WorkerLost"
            assert "killed by signal 9" in dead.error.message
            assert second.is_running()
            again = await ended(start(host, tmp_path, "bright", image=one))
            assert again.state == "done"
            (alive,) = [job for job in jobs if job is not dead]
            assert alive.state == "running"

    run(main(), 60)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", folder], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_said_and_nothing_stays(tmp_path: Path, small_disk: Path) -> None:
    async def main() -> Job:
        async with hosting(tmp_path) as host:
            target = small_disk / "out.ome.zarr"
            one = layer(np.ones((2000, 2000), np.uint8))
            return await ended(start(host, tmp_path, "noise", targets=[target], image=one))

    job = run(main(), 60)
    assert job.error is not None
    assert job.error.type == "WriteError"
    assert "No space left on device" in job.error.message
    assert list(small_disk.iterdir()) == []


def test_what_cannot_be_run_is_said_before_anything_starts(tmp_path: Path) -> None:
    async def main() -> None:
        async with hosting(tmp_path) as host:
            one = layer(PLANE)
            out = tmp_path / "out.ome.zarr"
            with pytest.raises(WriteError, match="is no folder"):
                start(host, tmp_path, "bright", targets=[tmp_path / "no/out.ome.zarr"], image=one)
            with pytest.raises(UsageError, match=r"end with \.csv"):
                start(host, tmp_path, "spots", targets=[out], image=one)
            with pytest.raises(UsageError, match="gives 3 results"):
                start(host, tmp_path, "parts", targets=[out], image=one)
            out.mkdir()
            with pytest.raises(WriteError, match="exists already"):
                start(host, tmp_path, "bright", targets=[out], image=one)
            with pytest.raises(UsageError, match="no parameter"):
                start(host, tmp_path, "bright", parameters={"x": 1}, image=one)
            with pytest.raises(PluginError, match="no operation 'dark'"):
                start(host, tmp_path, "dark", image=one)
            assert host.jobs == {}
            assert worker_processes() == []

    run(main(), 60)


def test_the_estimate_learns_from_runs(tmp_path: Path) -> None:
    async def main() -> None:
        async with hosting(tmp_path) as host:
            one, four = layer(PLANE), layer(np.tile(PLANE, (2, 2)))
            registered = host.registry.add(write_plugin(tmp_path))
            program = host.program(registered, "bright", {})
            guess = host.estimate(program, {"image": four}, Whole())
            assert not guess.measured
            assert guess.seconds is None
            assert guess.input_bytes == 8 * PLANE.size
            job = host.run(program, {"image": one}, Whole())
            await job.wait()
            learnt = host.estimate(program, {"image": four}, Whole())
            assert learnt.measured
            assert learnt.seconds is not None
            assert learnt.shape == (600, 1400)
            assert learnt.warning is None
            huge = layer(np.broadcast_to(np.uint8(1), (2**20, 2**20)))
            warned = host.estimate(program, {"image": huge}, Whole())
            assert "choose a coarser level" in (warned.warning or "")

    run(main(), 60)


def test_a_plugin_with_packages_of_its_own_gets_an_environment(tmp_path: Path) -> None:
    """…and a failed install is explained."""
    header = '# /// script\n# dependencies = ["{}"]\n# ///\n'
    source = header.format("colorama==0.4.6") + "import colorama\n" + SOURCE
    write_plugin(tmp_path, source)

    async def main() -> None:
        async with hosting(tmp_path) as host:
            one = layer(PLANE)
            job = await ended(start(host, tmp_path, "bright", image=one))
            assert job.error is None, job.error
            assert any("colorama is not installed" in line for line in job.log)
            write_plugin(tmp_path, header.format("colorama==99.99") + SOURCE)
            job = await ended(start(host, tmp_path, "bright", image=one))
            assert job.error is not None
            assert job.error.type == "EnvironmentFailed"
            assert "colorama" in job.error.message

    run(main(), 180)


def test_what_a_killed_host_left_is_removed_by_the_next(tmp_path: Path) -> None:
    script = f"""
import asyncio, os, sys
from pathlib import Path
import numpy as np
from tests.host.hosting import *
from tests.rpc.running import until
async def main():
    folder = Path({str(tmp_path)!r})
    async with hosting(folder) as host:
        job = start(host, folder, "noise", image=layer(np.ones((6000, 6000), np.uint8)))
        await until(lambda: job.state == "writing" and job.done)
        os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert [path for path in left_behind(tmp_path) if path.name.endswith(".part")]
    Workspace(tmp_path / "workspace").close()
    assert left_behind(tmp_path) == []
    shutil.rmtree(tmp_path / "workspace")


def test_two_hosts_share_a_workspace(tmp_path: Path) -> None:
    async def main() -> None:
        async with hosting(tmp_path) as one, hosting(tmp_path) as other:
            jobs = [
                start(host, tmp_path, "bright", image=layer(PLANE))
                for host in (one, other)
                for _ in range(2)
            ]
            await asyncio.gather(*(job.wait() for job in jobs))
            assert [job.state for job in jobs] == ["done"] * 4
            one.workspace.runs()  # what it has to write is written
            other.workspace.runs()
            assert len(one.workspace.runs()) == len(other.workspace.runs()) == 4

    run(main(), 60)
    assert (tmp_path / "workspace" / "results").stat().st_mode & 0o077 == 0
