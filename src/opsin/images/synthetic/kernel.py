"""Kernel: a function that numba compiles to machine code, which runs without the GIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """`function`, compiled when it is first called, and kept for later processes.

    The code is kept beside the module; where that folder cannot be written, in the user's cache
    folder or `NUMBA_CACHE_DIR`; where there is no place at all, it is compiled in each process.
    Floats behave as IEEE 754 says (no `fastmath`), so that a pixel has one value, whatever else is
    computed with it; division by zero gives infinity or NaN.
    """
    import numba

    try:
        compiled = numba.njit(function, nogil=True, error_model="numpy", cache=True)
    except RuntimeError:  # there is no place to keep it
        compiled = numba.njit(function, nogil=True, error_model="numpy")
    return compiled  # type: ignore[no-any-return]
