"""Files: the documents, chunks and shards of one written image, below one folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from opsin.images.source import Array, Index
from opsin.images.write.codec import codec_of
from opsin.images.write.journal import Journal
from opsin.images.write.layout import Layout
from opsin.images.write.metadata import Document, documents_of
from opsin.images.write.shards import ShardMemory, Shards, write_all

_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)


def write_documents(folder: Path, documents: Mapping[str, Document]) -> None:
    """Write documents at their names below a folder."""
    for name, document in documents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")


class Files:
    """Writes chunks. Safe on several threads.

    Args:
        folder: of the image.
        layout: of the image.
        scratch: a folder for what does not stay in memory.
        memory: for shards that are not complete.
        journal: where to record what is done, if that is wanted.
    """

    def __init__(
        self,
        folder: Path,
        layout: Layout,
        scratch: Path,
        memory: ShardMemory,
        journal: Journal | None,
    ) -> None:
        self.folder = folder
        self._place = str(folder)
        self._layout = layout
        self._journal = journal
        self._encode = codec_of(layout.codec, layout.image.dtype).encode
        self._chunks = layout.levels[0].chunks
        self._float = layout.image.dtype.kind == "f"
        self._made: set[str] = set()
        self._shards: list[Shards] = []
        if layout.shards is not None:
            self._shards = [
                Shards(level.grid, layout.files, f"{scratch}/shard.{number}", memory)
                for number, level in enumerate(layout.levels)
            ]
        write_documents(folder, documents_of(layout))

    def write(self, level: int, index: Index, block: Array) -> None:
        """Write one chunk, clipped to its level; one that is all zero is left out."""
        stored = self._encode(self._whole(block)) if self._is_something(block) else None
        if not self._shards:
            self._make(level, index, None if stored is None else partial(write_all, data=stored))
            return
        complete = self._shards[level].add(index, stored)
        if complete is not None:
            index, shard = complete
            try:
                self._make(level, index, shard.write if shard.is_something else None)
            finally:
                shard.close()

    def close(self) -> None:
        """Let go of memory and files. Idempotent."""
        for shards in self._shards:
            shards.close()

    def _is_something(self, block: Array) -> bool:
        """Whether it must be stored: what is not reads as zero (but not as minus zero)."""
        if block.item(0) or block.any():
            return True
        return self._float and bool(np.signbit(block).any())

    def _whole(self, block: Array) -> Array:
        if block.shape == self._chunks:
            return block
        whole = np.zeros(self._chunks, block.dtype)
        whole[tuple(slice(0, n) for n in block.shape)] = block
        return whole

    def _make(self, level: int, index: Index, write: Callable[[int], int] | None) -> None:
        """Make the file at an index, or see that there is none; and record it.

        Paths are text here: a chunk has no time for more.
        """
        path = file_of(self._place, self._layout, level, index)
        size = 0
        if write is not None:
            folder = path.rpartition("/")[0]
            if folder not in self._made:
                Path(folder).mkdir(parents=True, exist_ok=True)
                self._made.add(folder)
            descriptor = os.open(path, _NEW, 0o666)
            try:
                size = write(descriptor)
            finally:
                os.close(descriptor)
        if self._journal is not None:
            if not size:  # what there is, is of another time
                Path(path).unlink(missing_ok=True)
            self._journal.record(level, index, size)


def file_of(folder: str, layout: Layout, level: int, index: Index) -> str:
    """The file of a chunk or, where there are shards, of a shard."""
    start = f"{folder}/{level}/" if layout.ome == "0.4" else f"{folder}/{level}/c/"
    return start + "/".join(map(str, index))
