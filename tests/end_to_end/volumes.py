"""A volume in the browser, and what it must look like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opsin.chunks.volume_camera import VolumeCamera
from opsin.chunks.volume_levels import with_volume_levels
from opsin.images.layer import Layer, layers_of_all
from opsin.images.readers import open_images
from opsin.render import snapshot
from opsin.render.canvas import Picture
from opsin.render.exposure import exposure
from opsin.render.volume import Projection
from tests.end_to_end.app import App

SIDE = 256
"""Of the window: software GL is slow."""


def show(app: App, **volume: Any) -> VolumeCamera:
    """Show all in 3D, whole or so many `times` as large; the camera that does.

    Without `fit`, what `center` and `zoom` say.
    """
    resize(app, (SIDE, SIDE - 16))
    app.page.evaluate(
        """volume => {
            const viewer = window.opsin.viewer;
            viewer.showVolume(true);
            const {times = 1, fit = true, ...rest} = volume;
            viewer.setCamera({volume: {...viewer.camera.volume, ...rest}});
            if (fit) viewer.fit();
            const fitted = viewer.camera.volume;
            viewer.setCamera({volume: {...fitted, zoom: fitted.zoom * times}});
        }""",
        volume,
    )
    app.settle()
    return camera_of(app)


def resize(app: App, size: tuple[int, int]) -> None:
    """Make the window as large, and wait until the canvas is."""
    app.page.set_viewport_size({"width": size[0], "height": size[1]})
    app.until(f"window.opsin.viewer.size.join() === '{size[0]},{size[1]}'")


def camera_of(app: App) -> VolumeCamera:
    seen = app.camera["volume"]
    clip = seen["clip"]
    return VolumeCamera(
        tuple(seen["center"]), seen["zoom"], app.size, tuple(seen["orientation"]),
        seen["perspective"], clip=clip and (tuple(clip[0]), tuple(clip[1])),
    )  # fmt: skip


def layers(app: App, address: str | Path) -> list[Layer]:
    """The layers of an image, as the canvas shows its first one."""
    settings = app.page.evaluate("window.opsin.viewer.layer(0)")
    how = {key: settings[key] for key in ("opacity", "gamma", "colormap", "blending")}
    return [
        replace(layer, visible=True, contrast=tuple(settings["contrast"]), **how)
        for layer in layers_of_all(open_images(address))
    ]


def drawn(layers: list[Layer], camera: VolumeCamera, quality: float = 1, **how: Any) -> Picture:
    """What `opsin.snapshot` draws, with so many voxels per pixel."""
    ready = [replace(one, image=with_volume_levels(one.image, ("z", "y", "x"))) for one in layers]
    policy = replace(snapshot.WHOLE, quality=quality)
    return list(exposure(ready, camera, 2**29, policy, Projection(**how)))[-1]


def assert_same_picture(got: NDArray[np.uint8], expected: NDArray[np.uint8]) -> None:
    """On the foreground within 2 of 255 in the mean, and not shifted by a tenth of a pixel."""
    foreground = np.maximum(got, expected).max(axis=2) > 8
    assert foreground.mean() > 0.05
    difference = np.abs(got.astype(float) - expected)[foreground].mean()
    assert difference < 2, f"the mean difference is {difference:.2f}"
    assert np.hypot(*shift(got, expected)) < 0.1


def shift(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> tuple[float, float]:
    """By phase correlation, with the peak found between pixels by its neighbours."""
    one, two = (np.fft.fft2(picture.sum(axis=2, dtype=float)) for picture in (first, second))
    product = one * two.conj()
    peak = np.fft.ifft2(product / np.maximum(np.abs(product), 1e-9)).real
    at = np.unravel_index(peak.argmax(), peak.shape)
    found = []
    for axis, length in enumerate(peak.shape):
        around = [
            peak[tuple((at[i] + (step if i == axis else 0)) % peak.shape[i] for i in range(2))]
            for step in (-1, 0, 1)
        ]
        low, middle, high = around
        curve = low - 2 * middle + high
        between = 0.0 if abs(curve) < 1e-12 else (low - high) / 2 / curve
        whole = at[axis] if at[axis] <= length // 2 else at[axis] - length
        found.append(float(whole + between))
    return found[0], found[1]
