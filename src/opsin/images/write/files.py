"""Files: the documents, chunks and shards of one written image, below one folder."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from opsin.images.source import Array, Index
from opsin.images.write.codec import Stored, codec_of
from opsin.images.write.journal import Journal
from opsin.images.write.layout import Layout
from opsin.images.write.metadata import Document, documents_of
from opsin.images.write.shards import ShardMemory, Shards, write_all


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
        self._layout = layout
        self._journal = journal
        self._encode = codec_of(layout.codec, layout.image.dtype).encode
        self._chunks = layout.levels[0].chunks
        self._float = layout.image.dtype.kind == "f"
        self._made: set[Path] = set()
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
            size = 0 if stored is None else self._write_chunk(self.path(level, index), stored)
        else:
            complete = self._shards[level].add(index, stored)
            if complete is None:
                return
            index, shard = complete
            path = self.path(level, index)
            self._make(path.parent)
            size = shard.write(path)
        if self._journal is not None:
            if not size:  # what there is, is of another time
                self.path(level, index).unlink(missing_ok=True)
            self._journal.record(level, index, size)

    def path(self, level: int, index: Index) -> Path:
        """The file of a chunk or, where there are shards, of a shard."""
        return file_of(self.folder, self._layout, level, index)

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

    def _write_chunk(self, path: Path, stored: Stored) -> int:
        self._make(path.parent)
        with io.FileIO(path, "w") as file:
            write_all(file, stored)
        return len(stored)

    def _make(self, folder: Path) -> None:
        if folder not in self._made:
            folder.mkdir(parents=True, exist_ok=True)
            self._made.add(folder)


def file_of(folder: Path, layout: Layout, level: int, index: Index) -> Path:
    """The file of a chunk or, where there are shards, of a shard."""
    parts = [str(level), *([] if layout.ome == "0.4" else ["c"]), *map(str, index)]
    return folder / "/".join(parts)
