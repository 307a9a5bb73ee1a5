"""Zarr array: the chunks of one array, of zarr format 2 or 3, sharded or not.

Metadata is parsed once; after that a chunk is key → bytes → decode. (zarr-python does the same with
ten times the CPU per chunk.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np

from opsin.errors import Corrupt, OpenError, Unsupported
from opsin.images.image import clipped
from opsin.images.source import Array, Direct, Encoded, Index
from opsin.images.store import LocalStore, Store
from opsin.images.zarr.metadata import ZarrMetadata, parse_v2, parse_v3
from opsin.images.zarr.shards import ShardIndexes

METADATA_LIMIT = 32 << 20


async def read_json(store: Store, key: str) -> dict[str, Any] | None:
    """The JSON object at `key`, or None where there is nothing.

    Raises:
        OpenError: it is not a JSON object.
        ReadError: the store failed.
    """
    data = await store.get(key, limit=METADATA_LIMIT)
    if data is None:
        return None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise OpenError(f"{store.where}/{key} is not valid JSON ({error}).") from None
    if not isinstance(value, dict):
        raise OpenError(f"{store.where}/{key} is not a JSON object.")
    return value


class ZarrArray:
    """The chunks of one array below `path` in a store, which the owner of the array closes."""

    def __init__(
        self, store: Store, path: str, metadata: ZarrMetadata, document: tuple[str, str] = ("", "")
    ) -> None:
        """Take the metadata, and the key and the digest of the document that they come from."""
        self._store = store
        self._document, self._digest = document
        self.path = path
        self._path = f"{path}/" if path else ""
        self.metadata = metadata
        codec = metadata.codec
        stages = codec.size if not codec.decoders else len(codec.decoders) * codec.stored_limit
        self.transient_bytes = codec.stored_limit + stages
        """Memory that reading a chunk takes at most beside the clipped chunk itself."""
        self._shards: ShardIndexes | None = None
        if metadata.shard is not None:
            layout = metadata.shard
            self._shards = ShardIndexes(self._read_shard_index, layout.index_size, layout.per_shard)

    async def fetch(self, index: Index) -> bytes | None:
        """The stored bytes of a chunk; None for one that is not stored.

        Raises:
            Unreachable, Corrupt, ReadError: as the `Source` protocol says.
        """
        if self._shards is None:
            limit = self.metadata.codec.stored_limit
            return await self._store.get(self._key(index), limit=limit)
        shard, place = self._shards.locate(index)
        span = await self._shards.span(shard, place)
        if span is None:
            return None
        self._check_span(index, shard, span)
        start, length = span
        data = await self._store.get_range(self._key(shard), start=start, length=length)
        return self._checked(index, shard, span, data)

    def direct(self) -> Direct | None:
        """`fetch` and `decode` in one call, with the number of stored bytes; None if not local."""
        store = self._store
        if not isinstance(store, LocalStore):
            return None
        read, limit = store.read, self.metadata.codec.stored_limit
        shards = self._shards

        def whole(index: Index) -> tuple[Array, int]:
            data = read(self._key(index), limit=limit)
            return self.decode(index, data), 0 if data is None else len(data)

        def of_shard(index: Index) -> tuple[Array, int]:
            assert shards is not None
            shard, place = shards.locate(index)
            span = shards.span_now(shard, place, lambda shard: self._shard_index_now(store, shard))
            if span is None:
                return self.decode(index, None), 0
            self._check_span(index, shard, span)
            start, length = span
            data = store.read_range(self._key(shard), start=start, length=length)
            return self.decode(index, self._checked(index, shard, span, data)), length

        return whole if shards is None else of_shard

    async def identity(self) -> str | None:
        """What is another text when the array was written anew."""
        stamp = await self._store.stamp(f"{self._path}{self._document}") if self._document else None
        if stamp is None:
            return None
        return f"{self._store.where}/{self._path} {self._digest} {stamp}"

    def __reduce__(self) -> tuple[Any, ...]:
        """The same array, as another process reads it."""
        document = (self._document, self._digest)
        return ZarrArray, (self._store, self._path.rstrip("/"), self.metadata, document)

    def decode(self, index: Index, encoded: Encoded | None) -> Array:
        """The chunk, clipped to the array's shape, in native byte order and C order.

        Raises:
            Corrupt: `encoded` is not such a chunk; the message names its key.
        """
        metadata = self.metadata
        shape = clipped(index, metadata.chunks, metadata.shape)
        if encoded is None:
            return np.full(shape, metadata.fill, metadata.dtype)
        try:
            data = encoded.tobytes() if isinstance(encoded, np.ndarray) else encoded
            chunk = metadata.codec.decode(data)
        except Corrupt as error:
            key = self._key(index if self._shards is None else self._shards.locate(index)[0])
            raise Corrupt(f"Chunk {index} in {self._where(key)} is corrupt: {error}.") from error
        if shape == metadata.chunks:
            return chunk
        # A copy, so that what is thrown away does not stay in memory with what is kept.
        return chunk[tuple(slice(0, size) for size in shape)].copy()

    def _key(self, index: Index) -> str:
        return self._path + self.metadata.key(index)

    def _where(self, key: str) -> str:
        return f"{self._store.where}/{key}"

    def _check_span(self, index: Index, shard: Index, span: tuple[int, int]) -> None:
        start, length = span
        if length > self.metadata.codec.stored_limit or start >= 2**62:
            raise Corrupt(
                f"Chunk {index} in {self._where(self._key(shard))} is corrupt: the index of its "
                f"shard says {length} bytes from {start}, which cannot be."
            )

    def _checked(
        self, index: Index, shard: Index, span: tuple[int, int], data: bytes | None
    ) -> bytes:
        """The bytes of a chunk in a shard, which are there."""
        start, length = span
        if data is None or len(data) != length:
            got = "no shard" if data is None else f"{len(data)} of them"
            raise Corrupt(
                f"Chunk {index} in {self._where(self._key(shard))} is corrupt: it should have "
                f"{length} bytes from {start}, but there is {got}."
            )
        return data

    async def _read_shard_index(self, shard: Index) -> Array | None:
        """The index of a shard: uint64, shape (chunks of the shard, 2); None if not stored."""
        return self._shard_index(
            shard, await self._store.get_range(self._key(shard), **self._index_range)
        )

    def _shard_index_now(self, store: LocalStore, shard: Index) -> Array | None:
        return self._shard_index(shard, store.read_range(self._key(shard), **self._index_range))

    @property
    def _index_range(self) -> dict[str, int]:
        layout = self.metadata.shard
        assert layout is not None
        size = layout.index_size
        return {"suffix": size} if layout.at_end else {"start": 0, "length": size}

    def _shard_index(self, shard: Index, data: bytes | None) -> Array | None:
        layout = self.metadata.shard
        assert layout is not None
        if data is None:
            return None
        try:
            return layout.index_codec.decode(data).reshape(-1, 2)
        except Corrupt as error:
            raise Corrupt(
                f"The index of the shard {self._where(self._key(shard))} is corrupt: {error}."
            ) from error


async def open_array(store: Store, path: str) -> ZarrArray | None:
    """Open the array at `path` below a store, of either zarr format; None if there is none.

    Raises:
        OpenError: its metadata makes no sense.
        Unsupported: Opsin cannot read such an array.
        ReadError: the store failed.
    """
    prefix = f"{path}/" if path else ""
    metadata = await read_json(store, f"{prefix}zarr.json")
    if metadata is not None:
        return array_of(store, path, metadata, v3=True)
    metadata = await read_json(store, f"{prefix}.zarray")
    return array_of(store, path, metadata, v3=False) if metadata is not None else None


def array_of(store: Store, path: str, metadata: Mapping[str, Any], *, v3: bool) -> ZarrArray:
    """The array at `path` whose `zarr.json` (or `.zarray`) holds `metadata`.

    Raises:
        OpenError, Unsupported: as `open_array` does.
    """
    where = f"{store.where}/{path}".rstrip("/")
    try:
        text = json.dumps(metadata, sort_keys=True)
        document = ("zarr.json" if v3 else ".zarray", sha256(text.encode()).hexdigest())
        parsed = parse_v3(metadata) if v3 else parse_v2(metadata)
        return ZarrArray(store, path, parsed, document)
    except Unsupported as error:
        raise Unsupported(f"The array {where} cannot be read: {error}.") from error
    except OpenError as error:
        raise OpenError(f"The array {where} cannot be read: {str(error).rstrip('.')}.") from error
