"""Arrays on the wire: names of dtypes, bytes in C order, and checks of what others claim. Pure."""

from __future__ import annotations

import functools
import math
import re
import sys
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from opsin.errors import ProtocolError

Array: TypeAlias = NDArray[Any]

MOST_AXES = 32
LARGEST_ARRAY = 2**53 - 1
"""Bytes; no machine has them, and JavaScript can count them."""

_NAME = re.compile(
    r"bool|u?int(8|16|32|64)|float(16|32|64)|complex(64|128)"
    r"|(datetime|timedelta)64(\[[1-9]?[0-9]{0,8}(Y|M|W|D|h|m|s|ms|us|μs|ns|ps|fs|as)\])?"
)


@functools.lru_cache(64)  # NumPy takes its time for it
def dtype_name(dtype: np.dtype[Any]) -> str:
    """The name that a dtype travels under.

    Raises:
        TypeError: arrays of this dtype cannot be sent.
    """
    if dtype.hasobject:
        raise TypeError(
            f"An array of Python objects ({dtype}) cannot be sent: send a list, or convert it "
            "to numbers with astype."
        )
    if dtype.fields is not None:
        raise TypeError(
            f"A structured array ({dtype}) cannot be sent: send its fields as a dict of arrays."
        )
    if _NAME.fullmatch(dtype.name) is None:
        raise TypeError(f"An array of dtype {dtype} cannot be sent: convert it with astype.")
    return dtype.name


@functools.lru_cache(256)
def dtype_of(name: str) -> np.dtype[Any]:
    """The dtype of a name from outside, in little-endian order.

    Raises:
        ProtocolError: no array travels under this name.
    """
    if _NAME.fullmatch(name) is None:
        raise ProtocolError(f"An array has the unknown dtype {name[:40]!r}.")
    dtype = np.dtype(name)
    return dtype if sys.byteorder == "little" else dtype.newbyteorder("<")


def plain_bytes(array: Array) -> memoryview:
    """The values as bytes: C order, little endian. Copies only what does not lie so already."""
    little = array.dtype.newbyteorder("<")
    values = np.ascontiguousarray(array.astype(little, copy=False))
    return values.reshape(-1).view(np.uint8).data


def check_shape(dtype: np.dtype[Any], shape: Sequence[int]) -> int:
    """How many bytes such an array has.

    Raises:
        ProtocolError: there can be no such array.
    """
    if len(shape) > MOST_AXES or min(shape, default=0) < 0:
        raise ProtocolError(f"An array has up to {MOST_AXES} axes, none of negative length.")
    # A length of 0 must not hide lengths that NumPy cannot count with.
    if math.prod([side or 1 for side in shape]) * dtype.itemsize > LARGEST_ARRAY:
        raise ProtocolError("An array claims more bytes than can be counted.")
    return math.prod(shape) * dtype.itemsize


def check_layout(
    dtype: np.dtype[Any], shape: Sequence[int], strides: Sequence[int], offset: int, size: int
) -> None:
    """Raise ProtocolError unless an array that lies so stays within `size` bytes of memory.

    Elements may lie in any order, but must not share memory: a small segment does not make a
    huge array.
    """
    count = check_shape(dtype, shape)
    if len(strides) != len(shape) or any(abs(stride) > LARGEST_ARRAY for stride in strides):
        raise ProtocolError("An array has one stride for each axis.")
    first, last = offset, offset + dtype.itemsize
    for side, stride in zip(shape, strides, strict=True):
        step = (side - 1) * stride
        first, last = first + min(step, 0), last + max(step, 0)
    if count == 0:
        first, last = offset, offset
    if not 0 <= first <= last <= size or count > size:
        raise ProtocolError(f"An array reaches beyond its segment of {size} bytes.")


def array_from(
    dtype: np.dtype[Any],
    shape: Sequence[int],
    data: bytes | bytearray | memoryview,
    strides: Sequence[int] | None = None,
    offset: int = 0,
) -> Array:
    """A read-only array over `data`. What came from outside must have been checked before."""
    array: Array = np.ndarray(tuple(shape), dtype, data, offset, strides)
    array.flags.writeable = False
    return array
