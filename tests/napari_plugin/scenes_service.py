"""Scenes in which another process calls napari, for the stage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel  # type: ignore[import-untyped]
from qtpy.QtWidgets import QApplication

import opsin.napari
from opsin.napari.layers import attach
from opsin.napari.service import end_offer
from opsin.rpc.offers import offers

CALLER = """
import json, sys
import numpy as np
import opsin.napari

assert "napari" not in sys.modules
done = {}
"""


def called(code: str, **values: Any) -> dict[str, Any]:
    """What a script in another process tells, while the window goes on here."""
    script = CALLER + code + "\nprint(json.dumps(done))\n"
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script, json.dumps(values)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 60
    while child.poll() is None and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.005)
    told, failed = child.communicate()
    assert child.returncode == 0, failed
    result: dict[str, Any] = json.loads(told)
    return result


def arrays(viewer: Any) -> dict[str, Any]:
    """Arrays come and go by descriptor; layers are told."""
    opsin.napari.offer()
    try:
        told = called(
            """
with opsin.napari.connect() as napari:
    image = np.arange(512 * 512, dtype="u2").reshape(512, 512)
    done["names"] = napari.view_image(image, name="cells", scale=(2, 3), translate=(5, 6))
    done["labels"] = napari.view_labels((image > 99).astype("i4"), name="ids")
    done["points"] = napari.add_points(np.array([[1, 2], [3, 4.5]]), name="spots", size=3)
    done["layers"] = napari.layers()
    got = napari.get_layer("cells")
    done["equal"] = bool(np.array_equal(got["data"], image))
    done["shared"] = not got["data"].flags.owndata
    done["about"] = napari.about()
    for what in ("napari.get_layer('none')", "napari.view_image(image, colour='red')"):
        try:
            eval(what)
        except Exception as error:
            said = f"{type(error).__name__}: {error}".splitlines()[0]
            done.setdefault("errors", []).append(said)
    napari.remove_layer("ids")
"""
        )
        layer = viewer.layers["cells"]
        told["kept"] = [one.name for one in viewer.layers]
        told["right"] = bool(
            np.array_equal(layer.data, np.arange(512 * 512, dtype="u2").reshape(512, 512))
        )
        told["pid"] = os.getpid()
        return told
    finally:
        end_offer()


def points(viewer: Any, path: str) -> dict[str, Any]:
    """Points come as arrays, columns and files; many of them are a sample."""
    opsin.napari.offer()
    try:
        told = called(
            """
import opsin
from opsin.images.points.memory import points_from_table

path = json.loads(sys.argv[1])["path"]
columns = {"y [um]": [1.0, np.nan, 3.0], "x [um]": [4.0, 5.0, 6.0], "kind": ["a", "b", "c"]}
many = np.random.default_rng(0).random((50_000, 2)) * 1000
with opsin.napari.connect() as napari:
    done["array"] = napari.view_points(np.array([[1, 2], [3, 4]]), name="plain", scale=(2, 2))
    done["columns"] = napari.view_points(columns, name="spots", size=2)
    done["file"] = napari.view_points(path)
    with opsin.open_points(path) as points:
        done["opened"] = napari.view_points(points)
    made = points_from_table({"y": [7.0, 8.0], "x": [9.0, 1.0], "n": [1, 2]}, name="made")
    done["made"] = napari.view_points(made)
    done["many"] = napari.view_points({"y": many[:, 0], "x": many[:, 1]}, name="many")
    for what in (
        "napari.view_points({'a': [1.0]})",
        "napari.view_points(np.zeros(3))",
        "napari.view_points('nothing.csv')",
        "napari.view_points(path, size=3)",
        "napari.view_points([['a', 'b']])",
    ):
        try:
            eval(what)
        except Exception as error:
            said = f"{type(error).__name__}: {error}".splitlines()[0]
            done.setdefault("errors", []).append(said)
""",
            path=path,
        )
        viewer.reset_view()
        opsin.napari.settle(viewer)
        layer = viewer.layers["spots"]
        told["spots"] = layer.data.tolist()
        told["kinds"] = list(layer.features["kind"])
        told["units"] = [str(unit) for unit in layer.units]
        told["axes"] = list(layer.axis_labels)
        told["counts"] = {one.name: len(one.data) for one in viewer.layers}
        told["world"] = [list(map(float, row)) for row in viewer.layers["made"].data]
        return told
    finally:
        end_offer()


def progressive(viewer: Any, path: str) -> dict[str, Any]:
    """A file by its address, and a lazy array by reference, both as layers that fill."""
    opsin.napari.offer()
    try:
        told = called(
            """
path = json.loads(sys.argv[1])["path"]
with opsin.napari.connect() as napari:
    done["opened"] = napari.open(path)
    image = opsin.open_image(path)
    done["by_image"] = napari.view_image(image)
    import zarr
    store = zarr.create_array({}, shape=(3000, 2000), chunks=(500, 500), dtype="u2")
    store[:] = np.arange(3000)[:, None] + np.arange(2000)
    done["lazy"] = napari.view_image(store, name="lazy", scale=(0.5, 0.5))
    from opsin.images.memory import image_from_array
    memory = image_from_array(np.full((700, 600), 7, "u1"), name="memory", scale=(2.0, 2.0))
    done["memory"] = napari.view_image(memory)
    import time
    time.sleep(3)
    whole = napari.get_layer(done["opened"][0])["data"]
    done["shape"] = list(whole.shape)
    done["equal"] = bool(np.array_equal(np.asarray(whole), image.read()))
""",
            path=path,
        )
        layers = [viewer.layers[told[key][0]] for key in ("opened", "by_image")]
        told["levels"] = [bool(layer.metadata["opsin"].levels) for layer in layers]
        told["kinds"] = [type(layer).__name__ for layer in viewer.layers]
        told["scale"] = [float(one) for one in viewer.layers["memory"].scale]
        return told
    finally:
        viewer.layers.clear()
        end_offer()


def guide(viewer: Any, block: str) -> list[str]:
    """What the guide shows, run in another process; the layers that come of it."""
    opsin.napari.offer()
    try:
        called(block.replace("print(", "done['layers'] = ("))
        return [layer.name for layer in viewer.layers]
    finally:
        end_offer()


def comes_and_goes(viewer: Any) -> dict[str, Any]:
    """It is found from when Opsin is used, until napari does not want to be found."""
    before = len(offers("napari"))
    attach(ViewerModel())
    during = [one.pid == os.getpid() for one in offers("napari")]
    end_offer()
    return {"before": before, "during": during, "after": len(offers("napari"))}


def offered(viewer: Any) -> int:
    """Be found from now on, for the tests of other front ends."""
    opsin.napari.offer()
    return os.getpid()


def waited(viewer: Any, seconds: float, until: int = 0) -> list[dict[str, Any]]:
    """Let the window go on, until there are so many layers; what there is then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not (until and len(viewer.layers) >= until):
        QApplication.processEvents()
        time.sleep(0.01)
    if until:
        opsin.napari.settle(viewer, seconds)
    return [
        {
            "name": layer.name,
            "kind": type(layer).__name__,
            "source": str(Path(layer.metadata["opsin"].origin.address).name)
            if layer.metadata["opsin"].origin
            else "",
            "shown": float(viewer.screenshot(canvas_only=True, flash=False)[..., :3].std()),
        }
        for layer in viewer.layers
    ]


def ended(viewer: Any) -> None:
    """Be found no more."""
    end_offer()
