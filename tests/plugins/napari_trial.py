"""A plugin of napari with every kind of contribution, as it lies there when it is installed."""

from __future__ import annotations

from pathlib import Path

NAME = "napari-trial"

MANIFEST = """
name: napari-trial
display_name: Trial
contributions:
  commands:
    - {id: napari-trial.bright, title: Bright, python_name: "napari_trial:bright"}
    - {id: napari-trial.inner, title: Inner, python_name: "napari_trial.functions:inner"}
    - {id: napari-trial.smooth, title: x, python_name: "napari_trial.widgets:smooth"}
    - {id: napari-trial.shift, title: x, python_name: "napari_trial.widgets:shift"}
    - {id: napari-trial.made, title: x, python_name: "napari_trial.widgets:make_widget"}
    - {id: napari-trial.ready, title: x, python_name: "napari_trial.widgets:ready"}
    - {id: napari-trial.panel, title: x, python_name: "napari_trial.widgets:Panel"}
    - {id: napari-trial.watch, title: x, python_name: "napari_trial.widgets:watch"}
    - {id: napari-trial.layers, title: x, python_name: "napari_trial.widgets:layers"}
    - {id: napari-trial.window, title: x, python_name: "napari_trial.widgets:opens_a_window"}
    - {id: napari-trial.stack, title: x, python_name: "napari_trial.functions:stack"}
    - {id: napari-trial.gone, title: Gone, python_name: "napari_trial.widgets:gone"}
    - {id: napari-trial.odd, title: Odd, python_name: "napari_trial.functions:odd"}
    - {id: napari-trial.read, title: Read trial, python_name: "napari_trial.files:get_reader"}
    - {id: napari-trial.sample, title: x, python_name: "napari_trial.files:sample"}
    - {id: napari-trial.write, title: x, python_name: "napari_trial.files:write"}
  widgets:
    - {command: napari-trial.bright, display_name: Bright pixels, autogenerate: true}
    - {command: napari-trial.smooth, display_name: Smooth}
    - {command: napari-trial.shift, display_name: Shift}
    - {command: napari-trial.made, display_name: Made}
    - {command: napari-trial.ready, display_name: Ready}
    - {command: napari-trial.panel, display_name: Panel}
    - {command: napari-trial.watch, display_name: Watch}
    - {command: napari-trial.layers, display_name: Several layers}
    - {command: napari-trial.window, display_name: Window}
    - {command: napari-trial.stack, display_name: Stack, autogenerate: true}
  readers:
    - {command: napari-trial.read, filename_patterns: ["*.trial"]}
  sample_data:
    - {command: napari-trial.sample, key: two blobs, display_name: Two blobs}
    - {uri: "https://example.org/a.tif", key: far, display_name: Far}
  writers:
    - {command: napari-trial.write, layer_types: [image], filename_extensions: [.trial]}
  themes:
    - {id: dark, label: Dark, type: dark, colors: {}}
"""

FILES = {
    "__init__.py": '''
"""What is imported here is found where it is defined."""

from .functions import bright
''',
    "functions.py": '''
from enum import Enum
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    import napari


class Side(Enum):
    above = 1
    below = 2


def bright(
    image: "napari.types.ImageData",
    threshold: float = 100.0,
    side: Side = Side.above,
    kernel: Optional["numpy.ndarray"] = None,
) -> "napari.types.LabelsData":
    """Pixels on one side of a threshold.

    Parameters
    ----------
    threshold : float
        The limit.
    """
    assert kernel is None
    return image > threshold if side is Side.above else image < threshold


def stack(image: "napari.types.ImageData") -> "napari.types.ImageData":
    from napari.utils import progress

    total = 0
    for row in progress(image, desc="rows"):
        total += int(row.sum())
    print("rows are added")
    return image + total


def inner(image: "napari.types.ImageData", window: "list[int]") -> "napari.types.ImageData":
    return image


def odd(image: "napari.types.ImageData"):
    return image
''',
    "widgets.py": '''
import numpy as np
from magicgui import magic_factory, magicgui
from magicgui.widgets import Container
from napari.layers import Image, Labels
from napari.types import LayerDataTuple
from napari.utils.notifications import show_info
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QPushButton, QWidget


def _init(widget):
    widget.native.setStyle(Qt.AlignTop | Qt.AlignLeft)


@magic_factory(
    sigma={"min": 0, "max": 10, "step": 0.5, "label": "Width", "widget_type": "FloatSlider"},
    mode={"choices": ["nearest", "mirror"]},
    call_button="Smooth",
    widget_init=_init,
)
def smooth(img: Image, sigma: float = 2.0, mode="nearest", times=1) -> LayerDataTuple:
    """Smooth an image."""
    from scipy.ndimage import gaussian_filter

    show_info(f"smooth {img.name}")
    data = gaussian_filter(img.data.astype("f4"), sigma * times, mode=mode)
    said = {"name": f"{img.name} smooth", "scale": img.scale, "translate": img.translate}
    return (data, said, "image")


@magic_factory
def shift(img: Image) -> Labels:
    """One pixel on."""
    where = {"scale": img.scale, "translate": img.translate + img.scale}
    return Labels((img.data > 0).astype(int), name="moved", **where)


def make_widget():
    @magicgui(threshold={"max": 255})
    def inside(image: "napari.types.ImageData", threshold: int = 3) -> "napari.types.LabelsData":
        return image > threshold

    inside.called.connect(print)
    return inside


@magicgui(call_button="Go", add={"min": 0, "max": 9})
def ready(image: "napari.types.ImageData", add: int = 1) -> "napari.types.ImageData":
    return image + add


@ready.add.changed.connect
def _changed(value):
    print(value)


class Panel(QWidget):
    moved = Signal(int)

    def __init__(self, viewer: "napari.viewer.Viewer"):
        super().__init__()


@magic_factory
def watch(viewer: "napari.Viewer", image: "napari.types.ImageData") -> "napari.types.ImageData":
    return image


@magic_factory(count={"min": 1})
def layers(img: Image, count: int = 1) -> list[LayerDataTuple]:
    coarse = img.data[::2, ::2]
    twice = [2 * size for size in img.scale]
    about = {"name": "spot", "scale": img.scale, "features": {"area": [7]}}
    return [
        (coarse, {"name": "coarse", "scale": twice, "translate": img.translate}, "image"),
        (np.array([[1.0, 2.0]]), about, "points"),
        ((np.zeros((3, 2)), np.array([[0, 1, 2]])), {"name": "skin"}, "surface"),
    ]


@magic_factory
def opens_a_window(image: "napari.types.ImageData") -> "napari.types.ImageData":
    return QPushButton("no").text()
''',
    "files.py": """
import numpy as np


def get_reader(path):
    return read if str(path).endswith(".trial") else None


def read(path):
    size = int(open(path).read())
    data = np.arange(size * size, dtype="u2").reshape(size, size)
    return [(data, {"name": "trial", "scale": (0.5, 0.25)}), ((data > 9).astype(int), {}, "labels")]


def sample():
    data = np.zeros((6, 16, 16), "u1")
    data[2:4, 3:9, 3:9] = 200
    return [(data, {"name": "blobs", "scale": (2, 1, 1), "translate": (5, 0, 0)}, "image")]


def write(path, data, meta):
    return [path]
""",
}


def write(folder: Path) -> Path:
    """Install the plugin into a folder for the path of Python; the file of its manifest."""
    package = folder / "napari_trial"
    package.mkdir(parents=True)
    for name, text in FILES.items():
        (package / name).write_text(text)
    manifest = package / "napari.yaml"
    manifest.write_text(MANIFEST)
    about = folder / "napari_trial-1.5.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.5\n")
    (about / "entry_points.txt").write_text(
        "[napari.manifest]\nnapari-trial = napari_trial:napari.yaml\n"
    )
    return manifest
