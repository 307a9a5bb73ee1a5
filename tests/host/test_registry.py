"""The plugins that a host knows follow their files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opsin.errors import PluginError, UsageError
from opsin.host.registry import Registry
from tests.host.plugins import write_plugin


def change(path: Path, text: str) -> None:
    before = path.stat().st_mtime_ns
    path.write_text(text)
    os.utime(path, ns=(before + 10**9, before + 10**9))


def test_a_plugin_follows_its_file(tmp_path: Path) -> None:
    registry, told = Registry(), []
    stop = registry.listen(lambda: told.append(len(registry.all())))
    path = write_plugin(tmp_path)
    first = registry.add(path)
    assert first.operation("bright")[1].title == "Bright"
    assert registry.add(path) == first
    assert told == [1], "nothing has changed"
    change(path, "def spots(: ...")
    registry.refresh()
    broken = registry.get(first.id)
    assert "this is not Python" in (broken.error or "")
    with pytest.raises(PluginError, match="this is not Python"):
        broken.operation("bright")
    change(path, "def spots(image: 'Image') -> None: ...\n")
    assert registry.get(first.id).id == first.id
    path.unlink()
    registry.refresh()
    assert "There is no plugin at" in (registry.all()[0].error or "")
    registry.refresh()
    assert told == [1, 1, 1, 1]
    registry.remove(first.id)
    assert told[-1] == 0
    with pytest.raises(UsageError, match="not here any more"):
        registry.get(first.id)
    stop()
    registry.add(write_plugin(tmp_path))
    assert told[-1] == 0


def test_a_file_that_is_none_is_known_with_the_reason(tmp_path: Path) -> None:
    registry = Registry()
    assert "There is no plugin at" in (registry.add(tmp_path / "none.py").error or "")
    assert "is not a file" in (registry.add(tmp_path).error or "")
