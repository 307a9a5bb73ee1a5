"""Arrays to read parts of, and indices to read them by."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st


def data_of(*shape: int, dtype: str = "uint16") -> Any:
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


def indices(shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    def part(side: int) -> st.SearchStrategy[Any]:
        whole = st.integers(-side, side - 1) if side else st.nothing()
        return st.one_of(whole, st.slices(side))

    @st.composite
    def index(draw: st.DrawFn) -> Any:
        parts = [draw(part(side)) for side in shape]
        if draw(st.booleans()):
            a = draw(st.integers(0, len(shape)))
            b = draw(st.integers(a, len(shape)))
            parts[a:b] = [...]
        return tuple(parts)

    return index()
