"""Mandelbulb: the solid of v → v⁸ + c, of White and Nylander (2009), 2.5 wide around 0.

With v = r · (sin θ cos φ, sin θ sin φ, cos θ), v⁸ = r⁸ · (sin 8θ cos 8φ, sin 8θ sin 8φ, cos 8θ).
The polar axis is y, so that the bulb stands upright. v begins at c. Without z, it is cut in the
middle; t turns all 8φ once around; each channel has another shade of the same solid.

The value of a voxel is its shade, from 0.2 to 1, times how much of it is inside: 1 if its centre is
(v stays within `RADIUS`), else less and less down to 0 where the surface is a voxel of the level
away. Shades come from how close v gets to 0, inside and outside, so that projections show the
surface. The distance to the surface is estimated as r log r / (2 r'), with r' the derivative of r
(Hart, Sandin and Kauffman, "Ray tracing deterministic 3-D fractals", SIGGRAPH 1989).
"""

from __future__ import annotations

import math

import numpy as np

from opsin.images.source import Array
from opsin.images.synthetic.generator import SPACE, Block
from opsin.images.synthetic.kernel import kernel

WIDTH = 2.5
RADIUS = 4.0

ALL_OF_IT = 2 ** (2 / 7)
"""No c of this distance from 0, squared, belongs to it: |v⁸| - |c| ≥ |c|⁸ - |c| > |c|, and on."""

LANES = 32
"""So many voxels of a row are iterated side by side, so that vector instructions are used."""

_SQUARED = RADIUS**2
_TINY = 1e-300


def cap(block: Block) -> int:
    """The step at which v that has not left is taken not to leave.

    A step moves neighbours apart about eightfold, so three halvings of the voxels need one more;
    there is one for two, and six. 16 at full zoom of 2^20 voxels, 9 where 64 voxels show all.
    """
    return 6 + block.depth // 2


def compute(block: Block) -> Array:
    """See `Formula`."""
    z, y, x = (block.centred(axis, 0.0, WIDTH, SPACE) for axis in SPACE)
    voxel = block.step(WIDTH, SPACE)
    out = np.empty(block.shape, np.float32)
    inside = np.empty(block.shape[2:], np.float32)
    closest = np.empty(block.shape[2:], np.float32)
    several = block.size.get("c", 1) > 1
    for t, turn in enumerate(2 * math.pi * block.turns("t")):
        fill(z, y, x, voxel, cap(block), math.cos(turn), math.sin(turn), inside, closest)
        for c, channel in enumerate(block.first("c")):
            phase = channel / block.size.get("c", 1) if several else None
            out[t, c] = inside * shades(closest, phase)
    return out


def shades(closest: Array, phase: float | None) -> Array:
    """Values from 0.2 to 1 of distances from 0: growing with them, or in waves of a phase."""
    shade: Array = np.clip(closest - np.float32(0.25), 0, 1)
    if phase is None:
        shade *= np.sqrt(shade)
    else:
        shade *= np.float32(4 * np.pi)
        shade -= np.float32(2 * np.pi * phase)
        np.cos(shade, out=shade)
        shade *= np.float32(-0.5)
        shade += np.float32(0.5)
    shade *= np.float32(0.8)
    shade += np.float32(0.2)
    return shade


@kernel
def fill(
    zs: Array,
    ys: Array,
    xs: Array,
    voxel: float,
    most: int,
    cos: float,
    sin: float,
    inside: Array,
    closest: Array,
) -> None:
    """How much of each voxel is inside, and how close v gets to 0.

    Args:
        zs: float64, places of the voxels along z.
        ys: float64, along y.
        xs: float64, along x.
        voxel: their distance.
        most: of steps.
        cos: of what 8φ is turned by.
        sin: of the same.
        inside: float32 of shape (z, y, x); overwritten. 0 outside of `ALL_OF_IT`.
        closest: like it; the smallest |v| after the first step. Defined where `inside` is not 0.
    """
    state = np.zeros((8, LANES))
    for k in range(zs.size):
        for i in range(ys.size):
            square = zs[k] * zs[k] + ys[i] * ys[i]
            for first in range(0, xs.size, LANES):
                count = min(LANES, xs.size - first)
                any_near = False
                for lane in range(LANES):
                    x = xs[first + min(lane, count - 1)]
                    state[0, lane], state[1, lane], state[2, lane] = x, zs[k], ys[i]
                    state[3, lane], state[4, lane] = 1.0, math.inf
                    state[5, lane], state[6, lane], state[7, lane] = x, zs[k], ys[i]
                    any_near |= square + x * x < ALL_OF_IT
                for lane in range(count):
                    inside[k, i, first + lane] = 0.0
                    closest[k, i, first + lane] = 0.0
                if not any_near:
                    continue
                for _ in range(most):
                    if not _step(state, cos, sin):
                        break
                for lane in range(count):
                    if square + xs[first + lane] * xs[first + lane] >= ALL_OF_IT:
                        continue
                    x, y, z = state[0, lane], state[1, lane], state[2, lane]
                    rr = x * x + y * y + z * z
                    part = 1.0
                    if rr > _SQUARED:
                        distance = 0.25 * math.sqrt(rr) * math.log(rr) / state[3, lane]
                        part = max(0.0, 1.0 - distance / voxel)
                    inside[k, i, first + lane] = part
                    closest[k, i, first + lane] = math.sqrt(state[4, lane])


@kernel
def _step(state: Array, cos: float, sin: float) -> bool:
    """One step of the lanes that have not left; False if there is none.

    No angle is computed: cos and sin of 8θ times r⁸ are the parts of (z + iρ)⁸, with ρ² = x² + y²,
    and those of 8φ are the parts of ((x + iy)² / ρ²)⁴. On the polar axis sin 8θ is 0 anyway.
    """
    left = 0
    for lane in range(LANES):
        x, y, z = state[0, lane], state[1, lane], state[2, lane]
        xx, yy, zz = x * x, y * y, z * z
        rho2 = xx + yy
        rr = rho2 + zz
        stays = rr <= _SQUARED
        # φ: twice the angle, then doubled twice
        scale = 1.0 / (rho2 + _TINY)
        a, b = (xx - yy) * scale, 2.0 * x * y * scale
        a, b = a * a - b * b, 2.0 * a * b
        a, b = a * a - b * b, 2.0 * a * b
        a, b = a * cos - b * sin, a * sin + b * cos
        # θ: twice the angle and r², then doubled and squared twice
        p, q = zz - rho2, 2.0 * z * math.sqrt(rho2)
        p, q = p * p - q * q, 2.0 * p * q
        p, q = p * p - q * q, 2.0 * p * q
        new_x, new_y, new_z = q * a + state[5, lane], q * b + state[6, lane], p + state[7, lane]
        slope = 8.0 * rr * rr * rr * math.sqrt(rr) * state[3, lane] + 1.0
        new_rr = new_x * new_x + new_y * new_y + new_z * new_z
        closest = state[4, lane]
        state[0, lane] = new_x if stays else x
        state[1, lane] = new_y if stays else y
        state[2, lane] = new_z if stays else z
        state[3, lane] = slope if stays else state[3, lane]
        state[4, lane] = min(new_rr, closest) if stays else closest
        left += 1 if stays else 0
    return left > 0
