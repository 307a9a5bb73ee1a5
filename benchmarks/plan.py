"""What a plan costs: on fractals of 2^27 pixels and 2^60 voxels, and on images of fewer levels.

Planning is between every move of a camera and everything else. Here it is done again and again
from views deeper and deeper in an image, each a little beside the one before, as while somebody
flies in. CPU time of one core; the medians are over all views. The peer of an image is one of half
as many levels, in which the same views are the deepest ones: its cost should be the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median

from harness.side_by_side import Figure, alternate, arguments, conclude

from opsin.chunks.brick import Brick
from opsin.chunks.camera import Camera
from opsin.chunks.plan import plan
from opsin.chunks.policy import EXPLORE
from opsin.chunks.volume_brick import VolumeBrick
from opsin.chunks.volume_camera import fit_volume, looking
from opsin.chunks.volume_plan import VolumePlan, plan_volume
from opsin.images.layer import Layer, layers_of
from opsin.images.readers import open_image

MEASURES = "What a plan of a slice and of a volume costs, whatever the size of the image."
SLOTS = 256 * 2**20
SIZES = {64: (256, 256), 256: (512, 384), 512: (1024, 768)}
"""Of the canvas, by the number of bricks."""
REPEATS = 5


def layer_of(name: str) -> Layer:
    return layers_of(open_image(f"synthetic:{name}"))[0]


def slices(layer: Layer, zooms: range) -> float:
    """Milliseconds of a plan of 1920×1080 pixels: the median over views from 2^-zoom on."""
    held: set[Brick] = set()
    rows, columns = layer.image.shape[-2:]
    took = []
    for zoom in zooms:
        for repeat in range(REPEATS):
            aside = repeat * 3.0 * 2**zoom
            camera = Camera((rows * 0.7 + aside, columns * 0.45), 1 / 2**zoom, (1920, 1080))
            began = time.process_time()
            plan({0: layer}, camera, held, EXPLORE, SLOTS)
            took.append((time.process_time() - began) * 1000)
    return median(took)


def volumes(layer: Layer, bricks: int, depths: range) -> float:
    """Milliseconds of a plan of so many bricks: the median over views 2^depth times as near."""
    policy = replace(EXPLORE, bricks=bricks)
    size = SIZES[bricks]
    whole = fit_volume([layer], size, looking(35.0, 25.0), 40.0)
    z, y, x = whole.center
    center = (0.6 * z, 0.6 * y, 0.6 * x)
    took = []
    held: set[VolumeBrick] = set()
    before = VolumePlan()
    for depth in depths:
        for repeat in range(REPEATS):
            zoom = whole.zoom * 2 ** (depth + repeat / REPEATS)
            camera = replace(whole, zoom=zoom, center=center)
            began = time.process_time()
            before = plan_volume({0: layer}, camera, held, policy, 2**30, before)
            took.append((time.process_time() - began) * 1000)
            held = {want.brick for want in before.wants}
    return median(took)


def main() -> None:
    options = arguments(MEASURES).parse_args()
    rounds = options.rounds or (1 if options.quick else 9)
    flat, flat_half = layer_of("mandelbrot"), layer_of("mandelbrot,size=262144")
    deep, deep_half = layer_of("mandelbulb"), layer_of("mandelbulb,size=8192")
    cases: dict[str, Callable[[], float]] = {
        "mandelbrot": partial(slices, flat, range(9)),
        "mandelbrot half": partial(slices, flat_half, range(9)),
        "mandelbulb half": partial(volumes, deep_half, 256, range(6)),
        "mandelbulb again": partial(volumes, deep, 256, range(6)),
    }
    for bricks in SIZES:
        cases[f"mandelbulb {bricks}"] = partial(volumes, deep, bricks, range(13))
    took = {name: median(times) for name, times in alternate(cases, rounds).items()}
    half = "an image of half as many levels"
    conclude(
        MEASURES,
        [
            Figure("mandelbrot_plan_ms", "ms", took["mandelbrot"]),
            Figure("mandelbrot_levels", "ms", took["mandelbrot"], took["mandelbrot half"], half),
            *(
                Figure(f"mandelbulb_{bricks}_plan_ms", "ms", took[f"mandelbulb {bricks}"])
                for bricks in SIZES
            ),
            Figure(
                "mandelbulb_levels", "ms", took["mandelbulb again"], took["mandelbulb half"], half
            ),
        ],
        options.json,
    )


if __name__ == "__main__":
    main()
