# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy>=2", "scikit-image>=0.25", "scipy>=1.15"]
#
# [tool.opsin]
# name = "Nuclei"
# version = "1.0"
# ///
"""Finds nuclei in fluorescence images: Otsu's threshold, touching nuclei split by a watershed."""

from typing import Annotated

import numpy as np
from scipy import ndimage
from skimage.filters import gaussian, threshold_otsu
from skimage.segmentation import relabel_sequential, watershed

from opsin.types import Field, Image, Labels, progress

NOISE = 0.5
"""Pixels by which the image is smoothed: enough for noise, too little to move an edge."""

APART = 3
"""Pixels by which the middles of two nuclei are apart, at least."""


def nuclei(
    image: Image,
    sigma: Annotated[float, Field(minimum=0, maximum=20, step=0.5, unit="px")] = 2.0,
    min_size: Annotated[int, Field(minimum=0, unit="px")] = 30,
) -> Labels:
    """Find bright nuclei on a dark background.

    Args:
        image: a fluorescence image of a nuclear stain.
        sigma: how much the shape of a nucleus is smoothed; less splits more of them.
        min_size: what is smaller is no nucleus.
    """
    steps = progress(["threshold", "fill holes", "measure", "find middles", "split", "clean"])

    next(steps)
    smooth = gaussian(image.astype(np.float32), NOISE)
    foreground = smooth > threshold_otsu(smooth)

    next(steps)
    foreground = ndimage.binary_fill_holes(foreground)

    next(steps)  # how far inside a nucleus is every pixel?
    depth = gaussian(ndimage.distance_transform_edt(foreground).astype(np.float32), sigma)

    next(steps)
    peaks = foreground & (depth == ndimage.maximum_filter(depth, 2 * APART + 1))
    middles, _ = ndimage.label(peaks)

    next(steps)
    labels = watershed(-depth, middles, mask=foreground)

    next(steps)
    sizes = np.bincount(labels.ravel())
    labels[(sizes < min_size)[labels]] = 0
    return relabel_sequential(labels)[0].astype(np.int32)
