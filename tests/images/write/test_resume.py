"""Going on: what a killed or interrupted write left is used, byte for byte, and only if it fits."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opsin.errors import UsageError, WriteError
from opsin.images.draft import kept_drafts
from opsin.images.source import Array, Index
from opsin.images.write import journal, write_image
from opsin.images.write.files import Files, file_of
from opsin.images.write.identity import identity
from tests.images.write.interrupted import PIXELS, VARIANTS, labels, made, reads_of
from tests.images.write.outside import levels_of, validated

ROOT = Path(__file__).parents[3]


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("variant", ["chunks", "odd shards", "volume in shards"])
def test_after_kill_9_it_goes_on_and_the_result_is_the_same(tmp_path: Path, variant: str) -> None:
    write_image(made(), tmp_path / "whole.zarr", labels=labels(), **VARIANTS[variant])
    code = "import sys; from tests.images.write.interrupted import killed; killed(*sys.argv[1:])"
    path = tmp_path / "made.zarr"
    words = [sys.executable, "-c", code, variant, str(path), "90"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not path.exists()
    (draft,) = kept_drafts(path)
    image = made()
    seen: list[tuple[int, int]] = []
    write_image(
        image,
        path,
        resume="pixels",
        labels=labels(),
        progress=lambda done, total: seen.append((done, total)),
        **VARIANTS[variant],
    )
    total = int(np.prod(image.levels[0].grid))
    assert len(reads_of(image)) == len(set(reads_of(image))) <= total - 60
    assert 0 < seen[0][0] < seen[-1][0] == seen[-1][1]
    assert tree(path) == tree(tmp_path / "whole.zarr")
    assert not draft.exists()
    assert validated(path) == VARIANTS[variant].get("ome", "0.5")


class Stopped(BaseException):
    """As Ctrl-C, but at a place of one's choice."""


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("seed", range(2))
def test_interrupted_at_any_file_again_and_again(
    tmp_path: Path, variant: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the file, in it, or behind it but before it is recorded."""
    write_image(made(), tmp_path / "whole.zarr", **VARIANTS[variant])
    path, chance, write = tmp_path / "made.zarr", random.Random(seed), Files.write
    lock = threading.Lock()
    left = 0

    def stopping(self: Files, level: int, index: Index, block: Array) -> None:
        nonlocal left
        with lock:
            left -= 1
            now = left == 0
        if now:
            if chance.random() < 0.5:
                per = self._layout.files
                of = tuple(i // n for i, n in zip(index, per, strict=True))
                file = Path(file_of(str(self.folder), self._layout, level, of))
                if not file.exists():
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(b"half of a chu")
            raise Stopped
        write(self, level, index, block)

    monkeypatch.setattr(Files, "write", stopping)
    before, stops = 0, 0
    while True:
        left = chance.randint(10, 80)
        seen: list[int] = []
        try:
            write_image(
                made(),
                path,
                resume="pixels",
                progress=lambda done, total, seen=seen: seen.append(done),  # type: ignore[misc]
                **VARIANTS[variant],
            )
            break
        except Stopped:
            stops += 1
            assert not path.exists()
        finally:
            assert seen[0] >= before, "what was done is not done any more"
            before = seen[0]
        if stops > 40:  # shards that never get complete
            left = 1 << 30
            monkeypatch.setattr(Files, "write", write)
    assert stops
    assert tree(path) == tree(tmp_path / "whole.zarr")
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def interrupt(path: Path, after: int = 40, **options: Any) -> Path:
    """Leave something unfinished, and return it."""

    def at(count: int) -> None:
        if count == after:
            raise Stopped

    with pytest.raises(Stopped):
        write_image(made(at=at), path, **{"chunks": 16, "resume": "pixels", **options})
    (draft,) = kept_drafts(path)
    return draft


@pytest.mark.parametrize(
    "other",
    [
        {"resume": "other pixels"},
        {"codec": "zstd"},
        {"chunks": 32},
        {"shards": 32},
        {"levels": 2},
        {"ome": "0.6"},
        {"halve": "zyx", "chunks": (2, 16, 16)},
        {"labels": labels()},
        {"name": "another"},
        {"scale": 2.0},
    ],
    ids=lambda other: next(iter(other)),
)
def test_other_pixels_or_options_start_over(tmp_path: Path, other: dict[str, Any]) -> None:
    path = tmp_path / "made.zarr"
    draft = interrupt(path)
    image = made()
    level = image.levels[0]
    scale = (other.pop("scale", 1.0),) * 3
    image = replace(image, name=other.pop("name", "made"), levels=(replace(level, scale=scale),))
    seen: list[int] = []
    write_image(
        image,
        path,
        progress=lambda done, total: seen.append(done),
        **{"chunks": 16, "resume": "pixels", **other},
    )
    assert seen[0] == 0
    assert len(reads_of(image)) == np.prod(level.grid)
    assert not draft.exists()
    np.testing.assert_array_equal(levels_of(path)[0], PIXELS)


@pytest.mark.parametrize("piece", [7, 1 << 18])
def test_what_a_power_cut_spoils_is_made_again(
    tmp_path: Path, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are shorter than they should be, or are not there."""
    monkeypatch.setattr(journal, "PIECE", piece)
    write_image(made(), tmp_path / "whole.zarr", chunks=16)
    path = tmp_path / "made.zarr"
    draft = interrupt(path, after=120)
    files = sorted((draft / "image").glob("[0-9]/c/*/*/*"))
    assert len({file.parents[3].name for file in files}) >= 3
    for number, file in enumerate(files):
        if number % 7 == 0:
            file.write_bytes(b"")
        elif number % 7 == 1:
            file.unlink()
    with (draft / "journal/0/0").open("r+b") as spoilt:
        spoilt.truncate(8 * 50 + 3)
    write_image(made(), path, chunks=16, resume="pixels")
    assert tree(path) == tree(tmp_path / "whole.zarr")


def test_a_journal_of_nonsense_is_believed_only_as_far_as_files_are_there(tmp_path: Path) -> None:
    path = tmp_path / "made.zarr"
    draft = interrupt(path)
    for file in (draft / "journal/0").iterdir():
        noise = np.random.default_rng(0).integers(2, 1 << 62, 500).astype("<u8")
        file.write_bytes(noise.tobytes())
    write_image(made(), path, chunks=16, resume="pixels")
    np.testing.assert_array_equal(levels_of(path)[0], PIXELS)


def test_two_processes_do_not_write_the_same(tmp_path: Path) -> None:
    path = tmp_path / "made.zarr"

    def at(count: int) -> None:
        if count == 20:
            with pytest.raises(WriteError, match="Another process is writing"):
                write_image(made(), path, chunks=16, resume="pixels")
            # Another one, with other options, leaves this one alone.
            write_image(made(), tmp_path / "two.zarr", chunks=16, resume="pixels")
            assert len(kept_drafts(path)) == 1

    write_image(made(at=at), path, chunks=16, resume="pixels")
    np.testing.assert_array_equal(levels_of(path)[0], PIXELS)


def test_without_a_chunk_done_nothing_is_left(tmp_path: Path) -> None:
    def at(count: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        write_image(made(at=at), tmp_path / "made.zarr", resume="pixels")
    with pytest.raises(UsageError):
        write_image(made(), tmp_path / "made.zarr", resume="pixels", levels=0)
    assert list(tmp_path.iterdir()) == []


def test_identity_changes_with_what_lies_there(tmp_path: Path) -> None:
    image = made()
    write_image(image, tmp_path / "a.zarr", chunks=16)
    (tmp_path / "b.raw").write_bytes(b"1234")
    for place, part in ((tmp_path / "a.zarr", "0/c/1/3/4"), (tmp_path / "b.raw", "")):
        first = identity(place, image)
        assert identity(str(place), image) == identity(place, image) == first
        changed = place / part
        os.utime(changed, ns=(0, changed.stat().st_mtime_ns + 1))
        second = identity(place, image)
        changed.write_bytes(changed.read_bytes() + b"x")
        os.utime(changed, ns=(0, 0))
        assert len({first, second, identity(place, image)}) == 3
    assert identity("synthetic:mandelbrot", image) != identity("synthetic:julia", image)
