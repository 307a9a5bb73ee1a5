"""Plugins of ImJoy in a real napari: what they ask, what they give, and how they end."""

from __future__ import annotations

from pathlib import Path

from tests.napari_plugin.conftest import Stage


def test_a_plugin_that_is_dropped_asks_and_gives_a_layer(stage: Stage, tmp_path: Path) -> None:
    seen = stage.play("scenes_imjoy:asks", file=str(tmp_path / "asks.imjoy.html"))
    assert seen["asked"] == "Which name?"
    assert seen["told"] == "It is Ada"
    assert seen["inputs"] == ["image"]
    assert seen["layer"][0] == [0.0, 3.0, 6.0, 9.0]
    assert seen["scale"] == [2.0, 3.0]


def test_failures_windows_and_cancelling(stage: Stage, tmp_path: Path) -> None:
    seen = stage.play("scenes_imjoy:ends", file=str(tmp_path / "ends.imjoy.html"))
    state, error, traceback = seen["fail"]
    assert (state, "no such thing" in error) == ("failed", True)
    assert "raise ValueError" in traceback
    assert "opsin view" in seen["window"][1]
    assert seen["wait"] == "cancelled"


def test_forms_windows_of_images_and_images_of_files(stage: Stage, tmp_path: Path) -> None:
    seen = stage.play("scenes_imjoy:shows", file=str(tmp_path / "shows.imjoy.html"))
    assert seen["seen"] == [[4, 4], [4, 4]]
    assert seen["whole"] == seen["true"]


def test_a_window_plugin_opens_in_the_browser(stage: Stage, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\ncp "${1#file://}" "$0.part" && mv "$0.part" "$0.html"\n')
    browser.chmod(0o700)
    file = str(tmp_path / "draws.imjoy.html")
    seen = stage.play("scenes_imjoy:page", file=file, browser=str(browser))
    assert seen["button"] == "Open in the browser"
    assert "Open an image first" in seen["without"]
    assert seen["title"]
    assert seen["said"].startswith("draws.imjoy.html is in the browser")
    assert seen["ended"]


def test_variants_are_chosen(stage: Stage, tmp_path: Path) -> None:
    seen = stage.play("scenes_imjoy:variants", file=str(tmp_path / "sizes.imjoy.html"))
    assert seen == {"tags": ["small", "large"], "seen": [1, 7, 1]}
