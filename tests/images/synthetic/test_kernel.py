"""Kernels are kept for the next process where there is a place, and work where there is none."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numba
import pytest

from opsin.images.synthetic.kernel import kernel

SOURCE = "def double(x):\n    return 2.0 * x / 1.0\n\n\ndef inverse(x):\n    return 1.0 / x\n"


@pytest.fixture(autouse=True)
def _no_place_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")


def module(folder: Path) -> Any:
    """A module of two functions in a folder."""
    folder.mkdir(exist_ok=True)
    path = folder / "doubles.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("doubles", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_code_is_kept_beside_the_module(tmp_path: Path) -> None:
    made = module(tmp_path / "package")
    assert kernel(made.double)(21.0) == 42
    assert list((tmp_path / "package" / "__pycache__").glob("doubles.double-*.nbi"))
    assert kernel(made.inverse)(0.0) == float("inf")


@pytest.mark.skipif(sys.platform != "linux", reason="the user's cache is elsewhere")
def test_code_of_a_folder_that_cannot_be_written_is_kept_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__pycache__").write_text("in the way")
    made = module(tmp_path / "package")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert kernel(made.double)(21.0) == 42
    assert list((tmp_path / "cache").rglob("doubles.double-*.nbi"))


def test_without_any_place_it_is_compiled_each_time() -> None:
    names: dict[str, Any] = {}
    exec(SOURCE, names)
    with pytest.raises(RuntimeError, match="no locator"):
        numba.njit(cache=True)(names["double"])
    assert kernel(names["double"])(21.0) == 42
