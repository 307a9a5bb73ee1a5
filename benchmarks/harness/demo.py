"""The demo image in any size, made once and kept in `.cache`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache"
FULL = 16384
"""Of the image that `make run` opens."""


def demo_image(size: int) -> Path:
    """An OME-Zarr of `size` × `size` pixels (uint16) with labels: real nuclei, no repetition."""
    path = CACHE / ("demo.ome.zarr" if size == FULL else f"benchmarks/demo_{size}.ome.zarr")
    if (path / "zarr.json").exists():
        return path
    if size == FULL:
        target = (path / "zarr.json").relative_to(ROOT)
        subprocess.run(["make", str(target)], cwd=ROOT, check=True)
        return path
    with scratch() as folder:
        made = folder / path.name
        maker = ROOT / "examples" / "make_demo.py"
        subprocess.run([sys.executable, maker, made, "--size", str(size)], check=True)
        made.rename(path)
    return path


def scratch() -> _Scratch:
    """A folder on the local disk, for the length of a `with`."""
    return _Scratch()


class _Scratch:
    def __enter__(self) -> Path:
        parent = CACHE / "benchmarks" / "scratch"
        parent.mkdir(parents=True, exist_ok=True)
        for left in parent.iterdir():  # by one that was killed
            if not Path(f"/proc/{left.name.partition('_')[0]}").exists():
                shutil.rmtree(left, ignore_errors=True)
        self._folder = tempfile.TemporaryDirectory(
            dir=parent, prefix=f"{os.getpid()}_", ignore_cleanup_errors=True
        )
        return Path(self._folder.__enter__())

    def __exit__(self, *error: object) -> None:
        self._folder.cleanup()
