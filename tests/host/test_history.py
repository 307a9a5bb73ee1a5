"""Steps that are undone, changed and run again: what is made anew, and what is recorded of that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from opsin.errors import UsageError
from opsin.host.again import run_again
from opsin.host.history import (
    check_changeable,
    check_undoable,
    dependents,
    is_step,
    make_anew,
    run_on_folder,
)
from opsin.host.host import Host
from opsin.host.job import Job
from opsin.host.script import script
from opsin.host.selection import Whole
from opsin.images.crop import crop
from opsin.images.layer import Layer, layers_of
from opsin.images.memory import image_from_array
from opsin.images.readers import open_image
from opsin.images.source import Array
from opsin.images.write import write_image
from tests.host.hosting import hosting, layer, start
from tests.host.test_recorder import STACK, done, repeated
from tests.rpc.running import run


def pixels(job: Job) -> Array:
    with open_image(job.results[0].path) as image:
        return image.read()


async def chain(host: Host, folder: Path) -> list[Job]:
    """Three runs: on a part of a file, on what that gave, and one that depends on neither."""
    path = folder / "cells.ome.zarr"
    write_image(image_from_array(STACK[0], axes="zyx", scale=(2, 0.5, 0.5)), path, levels=2)
    with open_image(path) as image:
        (cells,) = layers_of(image)
        part = Layer("part", crop(image, 1, z=3, y=(20, 140)))
        first = await done(start(host, folder, "bright", image=part))
        with open_image(first.results[0].path) as labels:
            mask = layers_of(labels)[0]
            second = await done(start(host, folder, "inside", image=part, mask=mask))
        other = await done(start(host, folder, "bright", Whole(1), image=cells))
    return [first, second, other]


def test_a_changed_step_is_made_anew_with_what_depends_on_it_and_nothing_else(
    tmp_path: Path,
) -> None:
    told: list[tuple[str, str]] = []

    async def main() -> tuple[str, list[Path], list[str]]:
        async with hosting(tmp_path) as host:
            first, second, other = jobs = await chain(host, tmp_path)
            assert first.step is not None
            assert dependents(jobs, first) == [second]
            assert dependents(jobs, other) == []
            made: dict[str, str] = {}

            async def again(before: Job) -> Job:
                assert before.step is not None
                return await run_again(host, before.step, made=made)

            async def replaced(before: Job, new: Job) -> None:
                told.append((before.id, new.id))
                made[str(before.results[0].path)] = str(new.results[0].path)
                before.undone = True
                host.recorder.set_undone(before.id, True)

            new = await run_again(host, first.step, {"threshold": 150.0}, front_end="napari")
            await make_anew(first, new, [second], again, replaced)
            changed = [host.job(id) for _, id in told]
            assert [one.state for one in changed] == ["done", "done"]
            with open_image(tmp_path / "cells.ome.zarr") as image:
                part = image.read(1, (3, slice(20, 140)))
            assert np.array_equal(pixels(changed[0]), part > 150)
            assert np.array_equal(pixels(changed[1]), np.where(part > 150, part, 0))
            # Each has the place of what it was made from.
            for before, now in zip((first, second), changed, strict=True):
                with (
                    open_image(before.results[0].path) as old_image,
                    open_image(now.results[0].path) as new_image,
                ):
                    assert old_image.levels == new_image.levels
            assert not is_step(first)
            steps = {step.id: step for step in host.recorder.steps()}
            assert [steps[one.id].counts for one in (*jobs, *changed)] == [
                False,
                False,
                True,
                True,
                True,
            ]
            # What is recorded of it is a part of the file, as before.
            record, before_it = steps[changed[0].id], steps[first.id]
            assert (record.front_end, record.changed) == ("napari", ("threshold",))
            assert record.inputs == before_it.inputs
            assert record.inputs["image"].level == 1
            assert record.inputs["image"].cut == {"z": 3, "y": (20, 140)}
            text = script(list(steps.values()), [changed[1].id])
            return text, [one.results[0].path for one in changed], [one.id for one in changed]

    text, paths, ids = run(main(), 120)
    assert [new for _, new in told] == ids
    assert "threshold=150.0" in text
    folder = repeated(tmp_path, text)
    for name, path in zip(("labels", "inside_result"), paths, strict=True):
        (again,) = folder.glob(f"*-{name}.ome.zarr")
        with open_image(again) as one, open_image(path) as other:
            assert np.array_equal(one.read(), other.read())


def test_what_fails_ends_the_chain_and_the_rest_stays(tmp_path: Path) -> None:
    async def main() -> None:
        async with hosting(tmp_path) as host:
            first, second, other = await chain(host, tmp_path)
            assert first.step is not None
            assert other.step is not None
            asked: list[Job] = []

            async def again(before: Job) -> Job:
                asked.append(before)
                return before

            async def replaced(before: Job, new: Job) -> None:
                raise AssertionError

            new = await run_again(host, first.step, {"threshold": 1.0})
            new.cancel()
            await make_anew(first, new, [second], again, replaced)
            assert asked == []
            assert is_step(first)
            with pytest.raises(UsageError, match="threshold"):
                await run_again(host, first.step, {"threshold": "high"})
            # What it took is gone.
            (tmp_path / "cells.ome.zarr").rename(tmp_path / "gone.ome.zarr")
            with pytest.raises(Exception, match=r"cells\.ome\.zarr"):
                await run_again(host, other.step)

    run(main(), 60)


def test_only_steps_that_are_done_are_undone_or_changed(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()

    async def main() -> None:
        async with hosting(tmp_path) as host:
            one = layer(STACK[0, 0])
            bad = start(host, tmp_path, "fails", image=one)
            with pytest.raises(UsageError, match="is not done"):
                check_undoable(bad)
            await bad.wait()
            with pytest.raises(UsageError, match="does not count"):
                check_changeable(bad)
            good = await done(start(host, tmp_path, "bright", image=one))
            check_undoable(good)
            check_changeable(good)
            good.undone = True
            check_undoable(good)
            with pytest.raises(UsageError, match="does not count"):
                check_changeable(good)
            with pytest.raises(UsageError, match="nothing is no folder"):
                await run_on_folder(host, [good.id], tmp_path / "nothing", tmp_path / "out")
            folder = await run_on_folder(host, [good.id], tmp_path / "images", tmp_path / "out")
            assert folder.id in host.jobs
            await folder.wait()
            assert folder.state == "failed", "there are no images"
            folder.state, folder.step = "done", None
            with pytest.raises(UsageError, match="files of yours"):
                check_undoable(folder)
            with pytest.raises(UsageError, match="not started from a form"):
                check_changeable(folder)

    run(main(), 60)
