"""Instance average precision: of all objects, found or true, the share that are both."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def average_precision(
    found: NDArray[Any], true: NDArray[Any], thresholds: tuple[float, ...] = (0.5, 0.75)
) -> tuple[float, ...]:
    """TP / (TP + FP + FN) of one image, for each threshold of the intersection over union.

    At 0.5 and more an object can match only one other, so nothing is left to choose.
    """
    pairs, overlap = np.unique(
        np.stack([found.ravel(), true.ravel()]).astype(np.int64), axis=1, return_counts=True
    )
    found_sizes = np.bincount(pairs[0], overlap)
    true_sizes = np.bincount(pairs[1], overlap)
    both = (pairs > 0).all(axis=0)
    a, b = pairs[:, both]
    shared = overlap[both]
    ratio = shared / (found_sizes[a] + true_sizes[b] - shared)
    objects = np.count_nonzero(found_sizes[1:]) + np.count_nonzero(true_sizes[1:])
    hits = [np.count_nonzero(ratio > threshold) for threshold in thresholds]
    return tuple(float(hit / (objects - hit)) if objects else 1.0 for hit in hits)
