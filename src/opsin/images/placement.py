"""Placement: where a coarser level lies in the world when its file does not say.

It is taken to cover the same area as the finest, edge to edge: averaging is the custom.
"""

from __future__ import annotations

from collections.abc import Sequence

from opsin.images.image import Level


def factor(fine: int, coarse: int) -> float:
    """How many pixels of the finest level one of a coarser level covers.

    1001 pixels become 500 or 501 when halved: the factor is the whole number that explains the
    size, if there is one.
    """
    whole = round(fine / coarse)
    if coarse in (fine // whole, -(-fine // whole)):
        return float(whole)
    return fine / coarse


def placed(
    shape: Sequence[int],
    chunks: Sequence[int],
    factors: Sequence[float],
    scale: Sequence[float],
    translation: Sequence[float],
) -> Level:
    """A level whose pixels cover `factors` pixels of the finest one, whose first edges it shares.

    All arguments have one entry per axis; `scale` and `translation` are those of the finest level.
    """
    return Level(
        tuple(shape),
        tuple(chunks),
        tuple(f * s for f, s in zip(factors, scale, strict=True)),
        tuple(t + (f - 1) / 2 * s for f, s, t in zip(factors, scale, translation, strict=True)),
    )
