"""Images that plugins of ImJoy give: they become layers where lay what the plugin was given."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from opsin.errors import UsageError
from opsin.host.imjoy.pictures import Place, pictures
from opsin.server.session import Session
from tests.host.imjoy_desks import plugin
from tests.rpc.running import run, until
from tests.server.test_host_service import STACK, first, page
from tests.server.test_page_desk import face

BRIGHTER = plugin(
    "Brighter",
    """
import numpy as np
from imjoy import api

def work(ctx):
    image = np.asarray(ctx.data.image)
    mask = np.asarray(ctx.data.other) > 0 if "other" in ctx.data else image > image.mean()
    return {"image": image + 1, "mask": mask.astype("u1"), "mean": float(image.mean())}

api.export({"setup": lambda: None, "run": work})
""",
    inputs={"image": {"ndarray": {}}, "other": {"ndarray": {}}},
)
BOX = {
    "region": "visible", "center": [10, 10], "zoom": 1, "size": [8, 8], "displayed": ["y", "x"],
    "position": {"z": 3.0},
}  # fmt: skip


async def named(session: Session, *names: str) -> list[int]:
    """The layers of these names, once they are all there."""

    def found() -> dict[str, int]:
        return {layer.name: number for number, layer in session.scene.layers.items()}

    await until(lambda: set(names) <= set(found()))
    return [found()[name] for name in names]


def test_they_become_layers_where_the_input_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with page(tmp_path, monkeypatch) as (host, session):
            desk = await host.desk(face()[0])
            rest = await desk.run(BRIGHTER, {"image": {"layer": 0, "where": BOX}})
            assert set(rest) == {"mean"}  # no array passes through the page
            image, mask = await named(session, "Brighter", "Brighter mask")
            shown = session.scene.layers[image].image
            given = session.scene.layers[0].image.levels[0]
            level = shown.levels[0]
            assert level.scale[-2:] == given.scale[-2:]
            origin = [round((o - g) / s) for o, g, s in zip(
                level.translation[-2:], given.translation[-2:], level.scale[-2:], strict=True
            )]  # fmt: skip
            y, x = origin
            rows, columns = level.shape[-2:]
            plane = tifffile.imread(STACK)[3]
            box = plane[y : y + rows, x : x + columns]
            values = await session.loader.read(
                session.scene.images[image], 0, (0,) * len(level.shape), level.shape
            )
            np.testing.assert_array_equal(values.reshape(rows, columns), box + 1)
            assert session.scene.layers[mask].image.kind == "labels"
            (job,) = await first(host.watch_jobs())
            assert job["layers"] == [image, mask]
            assert (job["state"], [one["name"] for one in job["places"]]) == (
                "done",
                ["Brighter", "Brighter mask"],
            )

    run(work())


def test_several_images_are_handed_over_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with page(tmp_path, monkeypatch) as (host, session):
            desk = await host.desk(face()[0])
            await desk.run(BRIGHTER, {"image": {"layer": 0, "where": BOX}})
            _, mask = await named(session, "Brighter", "Brighter mask")
            both = [
                {"layer": 0, "where": BOX, "name": "image"},
                {"layer": mask, "where": BOX, "name": "other"},
            ]
            await desk.run(BRIGHTER, {"image": both})
            again, mask_again = await named(session, "Brighter 2", "Brighter mask 2")
            shapes = [session.scene.layers[n].image.levels[0].shape for n in (again, mask_again)]
            assert shapes[0] == shapes[1]
            with pytest.raises(UsageError):
                await desk.run(BRIGHTER, {"image": []})

    run(work())


def test_a_run_that_is_cancelled_while_it_writes_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = plugin(
        "Large",
        "import numpy as np\nfrom imjoy import api\n"
        "api.export({'setup': lambda: None, 'run': lambda ctx: "
        "np.random.default_rng(0).random((8, 1024, 1024))})",
    )

    async def work() -> None:
        async with page(tmp_path, monkeypatch) as (host, session):
            desk = await host.desk(face()[0])
            running = asyncio.ensure_future(desk.run(source, {}))
            while not running.done():
                jobs = await first(host.watch_jobs())
                if jobs and jobs[0]["state"] == "writing":
                    break
            await host.cancel(jobs[0]["id"])
            with pytest.raises(Exception, match="was stopped"):
                await running
            (job,) = await first(host.watch_jobs())
            assert job["state"] == "cancelled"
            assert list(session.host.workspace.results.iterdir()) == []

    run(work())


PLACE = Place((40, 50), ("y", "x"), (0.5, 0.5), (1.0, 2.0), ("micrometer", "micrometer"))


@pytest.mark.parametrize(
    ("shape", "axes", "rgb"),
    [
        ((40, 50), "yx", False),
        ((40, 50, 3), "yxc", True),
        ((4, 40, 50), "zyx", False),
        ((40, 51), "yx", False),
    ],
)
def test_the_axes_of_an_array(shape: tuple[int, ...], axes: str, rgb: bool) -> None:
    images, rest = pictures(np.ones(shape, "u1"), "Plugin", PLACE)
    assert rest is None
    (image,) = images
    assert ("".join(image.axis_names), image.rgb, image.name) == (axes, rgb, "Plugin")
    is_there = shape[:2] == PLACE.shape
    assert image.levels[0].scale[:2] == ((0.5, 0.5) if is_there else (1.0, 1.0))


@pytest.mark.parametrize(
    "result",
    [None, 3, "text", np.ones(4), {"a": np.ones(3)}, np.ones((0, 3)), np.array([["a", "b"]]),
     {"type": "imjoy/image", "data": np.ones((4, 4))}],
)  # fmt: skip
def test_what_is_no_image_is_given_on(result: Any) -> None:
    images, rest = pictures(result, "Plugin", None)
    assert images == []
    assert rest is result or rest == result
