"""Zarr fallback: chunks whose codecs Opsin does not know, decoded by zarr-python where it is.

It costs some milliseconds a chunk, and one chunk of an array is decoded at a time. Compression that
Opsin knows is undone by Opsin all the same, so that what comes out of it is bounded.
"""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from opsin.errors import Corrupt, Unsupported
from opsin.images.zarr.codecs import KNOWN, Bytes, ChunkCodec, Decoder, known_decoder


def v2_fallback(
    shape: tuple[int, ...],
    dtype: np.dtype[np.generic],
    metadata: Mapping[str, Any],
    problem: Unsupported,
) -> ChunkCodec:
    """The codec that a `.zarray` describes, by way of zarr-python.

    Args:
        shape: that of a chunk.
        dtype: as stored, byte order included.
        metadata: the `.zarray`.
        problem: why Opsin cannot decode it; what is raised if zarr-python cannot either.

    Raises:
        Unsupported: zarr-python is not installed, or does not know the codec.
    """
    compressor = metadata.get("compressor")
    own = _own(compressor, "id")
    document = {
        "zarr_format": 2,
        "shape": shape,
        "chunks": shape,
        "dtype": dtype.str,
        "fill_value": 0,
        "order": metadata.get("order", "C"),
        "filters": metadata.get("filters"),
        "compressor": None if own else compressor,
        "dimension_separator": ".",
    }
    key = ".".join("0" for _ in shape)
    return _codec(shape, dtype, own, {".zarray": document}, key, problem)


def v3_fallback(
    shape: tuple[int, ...],
    dtype: np.dtype[np.generic],
    codecs: Sequence[Any],
    problem: Unsupported,
) -> ChunkCodec:
    """The codec that a list `codecs` of a `zarr.json` describes; likewise."""
    own: list[Decoder] = []
    rest = list(codecs)
    while len(rest) > 1 and (found := _own(rest[-1], "name")):
        own += found
        rest.pop()
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shape}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": False if dtype.kind == "b" else 0,
        "codecs": rest,
        "attributes": {},
    }
    key = "/".join(["c", *("0" for _ in shape)])
    return _codec(shape, dtype, own, {"zarr.json": document}, key, problem)


def _codec(
    shape: tuple[int, ...],
    dtype: np.dtype[np.generic],
    own: Sequence[Decoder],
    documents: Mapping[str, Any],
    key: str,
    problem: Unsupported,
) -> ChunkCodec:
    """Opsin's decoders, and then zarr-python, which is given the documents and then the key."""
    native = dtype.newbyteorder("=")
    last = _Zarr(documents, key, problem, (shape, native))
    return ChunkCodec(shape, native, tuple(range(len(shape))), (*own, last))


def _own(entry: Any, key: str) -> list[Decoder]:
    """Opsin's decoder for a compressor or checksum, if it has one.

    Raises:
        Unsupported: it knows it, but not with these settings.
    """
    name = entry if isinstance(entry, str) else None
    settings: Any = {}
    if isinstance(entry, Mapping):
        name = entry.get(key)
        settings = entry if key == "id" else entry.get("configuration", {})
    if not isinstance(name, str) or not isinstance(settings, Mapping):
        return []
    name = name.removeprefix("numcodecs.")
    return [known_decoder(name, settings)] if name in KNOWN else []


class _Zarr:
    """A decoder that is an array of zarr-python with one chunk, in memory."""

    def __init__(
        self,
        documents: Mapping[str, Any],
        key: str,
        problem: Unsupported,
        expected: tuple[tuple[int, ...], np.dtype[np.generic]],
    ) -> None:
        self._arguments = (documents, key, problem, expected)
        self._shape, self._dtype = expected
        if "pickle" in json.dumps(documents, default=str).lower():  # it runs what is in the chunk
            raise problem
        try:
            import zarr
            from zarr.storage import MemoryStore
        except ImportError:
            raise Unsupported(
                f"{problem}; zarr-python may, if it is there (pip install zarr)"
            ) from problem
        self._store: dict[str, Any] = {}
        self._key = key
        self._lock = threading.Lock()
        from zarr.core.buffer import default_buffer_prototype

        self._buffer = default_buffer_prototype().buffer.from_bytes
        for name, value in documents.items():
            self._store[name] = self._buffer(json.dumps(value).encode())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that some codecs are no standard yet
                self._array = zarr.open_array(store=MemoryStore(self._store), mode="r")
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise Unsupported(f"{problem}, nor can zarr-python ({reason})") from error

    def __reduce__(self) -> tuple[Any, ...]:
        """The same, in another process."""
        return _Zarr, self._arguments

    def __call__(self, data: Bytes, limit: int) -> Bytes:
        with self._lock:
            self._store[self._key] = self._buffer(bytes(data))
            try:
                pixels = np.asarray(self._array[...])
            finally:
                del self._store[self._key]
        if pixels.shape != self._shape:
            raise Corrupt(f"it has the shape {pixels.shape}, not {self._shape}")
        return np.ascontiguousarray(pixels, self._dtype).tobytes()
