"""What verified operations gave is given again, and forgotten when anything about them changes."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from opsin.cli import main
from opsin.host.functional import verify
from opsin.host.host import Host
from opsin.host.job import Job
from opsin.host.kept_answers import KeptAnswers, Unkept, key_of
from opsin.host.run import Run
from opsin.host.selection import Whole
from opsin.images.readers import open_image
from opsin.worker_main import Answer, Call
from opsin.workers.forkservers import Forkservers
from tests.host.hosting import hosting, layer
from tests.rpc.running import run

SOURCE = """
import time
import numpy as np
from opsin.types import Image, Labels, Table
import neighbour_of_slow

def slow(image: Image, by: float = 1.0) -> tuple[Image, Table]:
    time.sleep(0.5)
    print("computed")
    return image * neighbour_of_slow.FACTOR + by, {"mean": [float(image.mean())]}

def other(image: Image) -> Image:
    print("computed")
    time.sleep(0.05)
    return image + np.random.random(image.shape)
"""
SLOW = 0.5


@asynccontextmanager
async def verified_host(folder: Path, **options: Any) -> AsyncIterator[Host]:
    path = folder / "slow.py"
    if not path.exists():
        path.write_text(SOURCE)
        (folder / "neighbour_of_slow.py").write_text("FACTOR = 2")
    async with hosting(folder, **options) as host:
        registered = host.registry.add(path)
        forkservers = Forkservers(host.workspace.environments)
        try:
            for name in ("slow", "other"):
                if not host.workspace.verified_operations():
                    await verify(host.program(registered, name, {}), host.workspace, forkservers)
        finally:
            await forkservers.close()
        yield host


async def job_of(
    host: Host, image: np.ndarray[Any, Any], name: str = "slow", axes: str = "yx", **options: Any
) -> Job:
    (registered,) = host.registry.all()
    anew = options.pop("anew", False)
    program = host.program(host.registry.get(registered.id), name, options, anew=anew)
    job = host.run(program, {"image": layer(image, axes)}, Whole())
    await job.wait()
    assert job.error is None
    return job


def computed(job: Job) -> int:
    return list(job.log).count("computed")


IMAGE = np.arange(600, dtype=np.float32).reshape(20, 30)


def test_what_was_computed_once_is_given_again(tmp_path: Path) -> None:
    async def first() -> None:
        async with verified_host(tmp_path) as host:
            assert {name for _, name in host.workspace.verified_operations()} == {"slow"}
            job = await job_of(host, IMAGE)
            assert computed(job) == 1
            assert job.isolation
            began = time.monotonic()
            again = await job_of(host, IMAGE)
            assert time.monotonic() - began < SLOW
            assert computed(again) == 0
            assert any("results are those of an earlier run" in line for line in again.log)
            for one, other in zip(job.results, again.results, strict=True):
                assert one.path != other.path
                assert one.rows == other.rows
            with open_image(again.results[0].path) as image:
                assert np.array_equal(image.read(0, ()), IMAGE * 2 + 1)
            assert again.results[1].path.read_text() == job.results[1].path.read_text()
            assert computed(await job_of(host, IMAGE, anew=True)) == 1
            assert computed(await job_of(host, IMAGE, by=2.0)) == 1
            assert computed(await job_of(host, IMAGE + 1)) == 1
            assert computed(await job_of(host, IMAGE.astype(np.float64))) == 1
            assert computed(await job_of(host, IMAGE.reshape(30, 20))) == 1
            assert computed(await job_of(host, IMAGE, by=2.0)) == 0

    async def later() -> None:
        """Another process: it is all on the disk."""
        async with verified_host(tmp_path) as host:
            assert computed(await job_of(host, IMAGE)) == 0
            (tmp_path / "neighbour_of_slow.py").write_text("FACTOR = 3")
            changed = await job_of(host, IMAGE)
            assert computed(changed) == 1
            with open_image(changed.results[0].path) as image:
                assert np.array_equal(image.read(0, ()), IMAGE * 3 + 1)
            assert computed(await job_of(host, IMAGE)) == 1, "it was not verified as it is now"
            (tmp_path / "neighbour_of_slow.py").write_text("FACTOR = 2")
            assert computed(await job_of(host, IMAGE)) == 0
            (tmp_path / "slow.py").write_text(f"{SOURCE}\n# changed\n")
            assert computed(await job_of(host, IMAGE)) == 1

    run(first(), 120)
    run(later(), 120)


def test_what_is_no_pure_function_is_never_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with verified_host(tmp_path) as host:
            assert computed(await job_of(host, IMAGE, "other")) == 1
            assert computed(await job_of(host, IMAGE, "other")) == 1
            assert not host.workspace.answers.size()

    run(main(), 120)


def test_calls_of_a_stack_run_at_the_same_time_and_each_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at a time; and what is cancelled goes on where it was."""
    running: list[int] = []
    most: list[int] = []
    real = Run._at

    async def at(self: Run, *given: Any) -> list[Any]:
        running.append(1)
        most.append(len(running))
        try:
            return await real(self, *given)
        finally:
            running.pop()

    monkeypatch.setattr(Run, "_at", at)
    stack = np.arange(6 * 20 * 30, dtype=np.float32).reshape(6, 20, 30)

    async def main() -> None:
        async with verified_host(tmp_path, parallel=2) as host:
            await job_of(host, stack[0])
            (registered,) = host.registry.all()
            program = host.program(registered, "slow", {})
            job = host.run(program, {"image": layer(stack, "zyx")}, Whole())
            third = asyncio.Event()
            job.listen(lambda job: third.set() if computed(job) == 3 else None)
            await third.wait()
            job.cancel()
            await job.wait()
            assert job.state == "cancelled"
            most.clear()
            done = await job_of(host, stack, axes="zyx")
            assert max(most) == 2
            assert 1 <= computed(done) <= 3
            with open_image(done.results[0].path) as image:
                assert np.array_equal(image.read(0, ()), stack * 2 + 1)
            means = done.results[1].path.read_text().split()[1:]
            assert [float(line.split(",")[1]) for line in means] == [
                float(plane.mean()) for plane in stack
            ]
            await asyncio.sleep(0)
            assert host._places._value == 2
            most.clear()
            last = await job_of(host, stack[:, ::-1], axes="zyx")
            assert computed(last) == 6
            assert max(most) == 2
            assert not running

    run(main(), 120)


def test_others_wait_for_one_call_at_most(tmp_path: Path) -> None:
    """A long stack takes what is free, and leaves it to whoever comes."""
    stack = np.arange(8 * 20 * 30, dtype=np.float32).reshape(8, 20, 30)

    async def main() -> None:
        async with verified_host(tmp_path, parallel=2) as host:
            (registered,) = host.registry.all()
            program = host.program(registered, "slow", {})
            long = host.run(program, {"image": layer(stack, "zyx")}, Whole())
            second = asyncio.Event()
            long.listen(lambda job: second.set() if computed(job) == 2 else None)
            await second.wait()
            other = await job_of(host, IMAGE, "other")
            assert other.state == "done"
            assert not long.has_ended
            assert computed(long) < 7
            await long.wait()
            assert long.error is None
            assert computed(long) == 8
            await asyncio.sleep(0)
            assert host._places._value == 2

    run(main(), 120)


def test_the_command_line_can_do_it_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    plugin = "examples/plugins/nuclei.py"
    assert main(["plugins", "check", plugin, "--functional"]) == 0
    image = "tests/data/nuclei/test/images/000.png"

    def ran(name: str, *more: str) -> str:
        capfd.readouterr()
        target = str(tmp_path / f"{name}.ome.zarr")
        assert main(["run", f"{plugin}:nuclei", image, "-o", target, *more]) == 0
        return capfd.readouterr().err

    assert "earlier run" not in ran("one")
    assert "1 results are those of an earlier run" in ran("two")
    assert "earlier run" not in ran("three", "--anew")
    with (
        open_image(tmp_path / "one.ome.zarr") as one,
        open_image(tmp_path / "two.ome.zarr") as two,
    ):
        assert np.array_equal(one.read(0, ()), two.read(0, ()))


# ------------------------------------------------------------------ what is kept, on the disk


def answer(*outputs: Any, seconds: float = 9.0) -> Answer:
    return Answer(outputs=list(outputs), seconds=seconds, memory=3)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray)
            and one.dtype == other.dtype
            and one.shape == other.shape
            and one.tobytes() == other.tobytes()
        )
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


ARRAYS = arrays.arrays(
    st.sampled_from([np.uint8, np.int32, np.float32, np.float64, np.bool_, np.complex64]),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
COLUMNS = st.lists(st.text(max_size=3) | st.none() | st.integers(-9, 9) | st.booleans(), max_size=3)
OUTPUTS = (
    ARRAYS
    | st.lists(ARRAYS, max_size=3)
    | st.dictionaries(st.text(max_size=3), ARRAYS | COLUMNS, max_size=3)
)


@settings(max_examples=100, deadline=None)
@given(st.lists(OUTPUTS, max_size=3), st.data())
def test_what_is_kept_comes_back_and_damaged_files_are_nothing(
    tmp_path_factory: pytest.TempPathFactory, outputs: list[Any], data: st.DataObject
) -> None:
    answers = KeptAnswers(tmp_path_factory.mktemp("kept") / "answers")
    assert answers.get("a") is None
    assert answers.put("a", answer(*outputs))
    found = answers.get("a")
    assert found
    assert (found.seconds, found.memory) == (9.0, 3)
    assert same(outputs, found.outputs)
    path = answers.folder / "a"
    content = bytearray(path.read_bytes())
    assert answers.size() == len(content)
    cut = data.draw(st.integers(0, len(content) - 1))
    path.write_bytes(content[:cut])
    assert answers.get("a") is None
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    answers.get("a")


def test_the_oldest_go_first_and_what_is_not_worth_it_is_not_kept(tmp_path: Path) -> None:
    answers = KeptAnswers(tmp_path / "answers", most_bytes=50_000)
    array = np.zeros(10_000, np.uint8)
    for number in range(4):
        assert answers.put(str(number), answer(array))
        os.utime(answers.folder / str(number), (number, number))
    assert answers.get("0")  # it is the newest now
    assert answers.put("4", answer(array))
    assert {path.name for path in answers.folder.iterdir()} == {"0", "2", "3", "4"}
    assert not answers.put("5", answer(np.zeros(20_000, np.uint8)))
    assert not answers.put("6", answer(array, seconds=1e-6))
    assert not answers.put("7", answer(object()))
    assert answers.size() <= 50_000
    answers.clear()
    assert answers.size() == 0


def call(**changes: Any) -> Call:
    known = {
        "file": "/p.py",
        "digest": "d",
        "function": "f",
        "inputs": {"image": IMAGE},
        "parameters": {"by": 1.0},
        "outputs": ("image",),
    }
    return Call(**{**known, **changes})


def test_calls_that_differ_have_different_keys() -> None:
    different = [
        call(),
        call(function="g"),
        call(parameters={"by": 1}),
        call(parameters={"by": True}),
        call(parameters={"by": "1.0"}),
        call(parameters={"by": float("nan")}),
        call(parameters={"by": None}),
        call(inputs={"image": IMAGE.astype(">f4")}),
        call(inputs={"image": IMAGE.T}),
        call(inputs={"image": IMAGE, "mask": None}),
        call(inputs={"mask": IMAGE}),
        call(inputs={"image": [IMAGE, IMAGE]}),
        call(inputs={"image": {"a": IMAGE}}),
        call(inputs={"image": np.zeros((0, 3))}),
        call(inputs={"image": np.zeros((3, 0))}),
        call(metadata={"metadata": {"scale": (1.0, 2.0)}}),
        call(metadata={"metadata": {"scale": (1.0, 3.0)}}),
    ]
    assert len({key_of("words", one) for one in different}) == len(different)
    assert key_of("words", call()) != key_of("other words", call())
    turned = np.asfortranarray(IMAGE)
    assert key_of("words", call()) == key_of("words", call(inputs={"image": turned}, seed=5))
    with pytest.raises(Unkept):
        key_of("words", call(inputs={"image": object()}))
