"""Permissions in napari: asked before the first run, shown, taken back, enforced."""

from __future__ import annotations

from pathlib import Path

from tests.napari_plugin.conftest import Stage


def test_the_user_is_asked_allows_and_takes_back(stage: Stage, tmp_path: Path) -> None:
    seen = stage.play("scenes_permissions:allowed", folder=str(tmp_path))
    assert seen["texts"]["network"] == "The network: not allowed (downloads)"
    assert seen["texts"]["processes"].startswith("To start other programs: always")
    assert seen["cards"] == 0, "nothing runs before the answer"
    assert seen["boxes"] == {"network": False, "files": False}
    assert seen["enabled"] == [False, False, True]
    models = tmp_path / "models"
    assert seen["after"]["files"] == f"Folders of yours: allowed (reads models)<br>{models}"
    assert seen["after"]["network"] == "The network: not allowed (downloads)"
    assert seen["came"] == [False, True, False]
    assert seen["read"] == [True, True, False]
    assert f"allowed: network, files={models}" in seen["said"]


def test_a_plugin_that_is_dropped_is_asked_about(stage: Stage, tmp_path: Path) -> None:
    seen = stage.play("scenes_permissions:dropped", file=str(tmp_path / "fetcher.py"))
    assert seen["states"] == ["unasked", "unasked", "always"]
