"""What the canvas must show, computed by other means: zarr-python, scipy and plain arithmetic.

Shares nothing with `opsin` but the rules of protocol/VIEW.md, "What is drawn".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from skimage.registration import phase_cross_correlation

Floats = NDArray[np.float64]


def world(camera: dict[str, Any], size: tuple[int, int]) -> tuple[Floats, Floats]:
    """World positions of the centres of all device pixels: rows, columns."""
    width, height = size
    y = camera["center"][0] + (np.arange(height) + 0.5 - height / 2) / camera["zoom"]
    x = camera["center"][1] + (np.arange(width) + 0.5 - width / 2) / camera["zoom"]
    return y, x


def target(levels: list[dict[str, Any]], camera: dict[str, Any]) -> int:
    """The coarsest level with at least one data pixel per device pixel."""
    fine = [
        number
        for number, level in enumerate(levels)
        if max(level["scale"][-2:]) * camera["zoom"] <= 1 + 1e-6
    ]
    return max(fine, default=0)


def sample(
    plane: NDArray[Any],
    level: dict[str, Any],
    finest: dict[str, Any],
    camera: dict[str, Any],
    size: tuple[int, int],
    *,
    labels: bool = False,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Values of a level's plane at every device pixel, and where the layer is at all."""
    y, x = world(camera, size)
    inside = np.ones((size[1], size[0]), bool)
    for along, axis, shape in ((y, -2, (-1, 1)), (x, -1, (1, -1))):
        at = (along - finest["translation"][axis]) / finest["scale"][axis]
        inside &= ((at >= -0.5) & (at < finest["shape"][axis] - 0.5)).reshape(shape)
    rows = (y - level["translation"][-2]) / level["scale"][-2]
    columns = (x - level["translation"][-1]) / level["scale"][-1]
    if labels or max(level["scale"][-2:]) * camera["zoom"] > 1 + 1e-6:
        i = np.clip(np.floor(rows + 0.5).astype(int), 0, plane.shape[0] - 1)
        j = np.clip(np.floor(columns + 0.5).astype(int), 0, plane.shape[1] - 1)
        return plane[np.ix_(i, j)], inside
    low_i, high_i = max(int(rows.min()) - 2, 0), int(rows.max()) + 3
    low_j, high_j = max(int(columns.min()) - 2, 0), int(columns.max()) + 3
    piece = np.asarray(plane[low_i:high_i, low_j:high_j], np.float64)
    grid = np.meshgrid(rows - low_i, columns - low_j, indexing="ij")
    return map_coordinates(piece, grid, order=1, mode="nearest"), inside


def grey(values: Floats, inside: NDArray[np.bool_], contrast: tuple[float, float]) -> Floats:
    """Display values 0…255 of a grey layer on black."""
    low, high = contrast
    return np.where(inside, np.clip((values - low) / (high - low), 0, 1) * 255, 0)


def assert_same_picture(got: NDArray[np.uint8], expected: Floats, *, worst: float = 2.0) -> None:
    """The canvas equals the reference: on the foreground, and without a shift."""
    if expected.ndim == 2:
        expected = np.repeat(expected[..., None], 3, axis=2)
    foreground = (got.max(axis=2) > 8) | (expected.max(axis=2) > 8)
    assert foreground.mean() >= 0.05, "too little to compare"
    difference = np.abs(got.astype(float) - expected).max(axis=2)[foreground]
    high = np.percentile(difference, 99.9)
    assert high <= worst, f"99.9th percentile of the difference is {high:.2f}/255"
    shift, _, _ = phase_cross_correlation(
        expected.mean(axis=2), got.mean(axis=2), upsample_factor=50
    )
    assert np.abs(shift).max() < 0.1, f"shifted by {shift} pixels"
