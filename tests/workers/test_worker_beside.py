"""Tests of opsin.worker_beside: modules beside a plugin are what lies there now."""

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsin.worker_beside import import_beside

SECOND = 1_700_000_000_000_000_000


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    import_beside(tmp_path / "plugin.py")
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def imported(name: str) -> int:
    """FACTOR of a module, imported as a new process would."""
    for one in (name, name.partition(".")[0]):
        sys.modules.pop(one, None)
    importlib.invalidate_caches()
    factor = importlib.import_module(name).FACTOR
    assert isinstance(factor, int)
    return factor


def written(path: Path, factor: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"FACTOR = {factor}\n")
    os.utime(path, ns=(SECOND + factor, SECOND + factor))


@pytest.mark.parametrize("name", ["near_by", "near_package.inner"])
def test_an_edit_within_the_same_second_is_seen(folder: Path, name: str) -> None:
    path = folder.joinpath(*name.split(".")).with_suffix(".py")
    for factor in (2, 3):
        written(path, factor)
        assert imported(name) == factor
    assert not list(folder.rglob("__pycache__"))


def test_what_is_installed_is_kept_compiled_and_hides_what_lies_beside(folder: Path) -> None:
    installed = folder / ".venv" / "lib" / "site-packages"
    sys.path.insert(0, str(installed))
    written(installed / "both_places.py", 5)
    written(folder / "both_places.py", 4)
    assert imported("both_places") == 5
    assert list(installed.rglob("both_places.*.pyc"))
