"""The scene that runs the guide, for the stage."""

from __future__ import annotations

from typing import Any
from unittest import mock

import napari  # type: ignore[import-untyped]

from tests.napari_plugin.scenes_plugins import tidy, until


def run(viewer: Any, blocks: list[str]) -> list[str]:
    """Run Python, in which the viewer is the one that is there. Names of its layers."""
    names: dict[str, Any] = {}
    with mock.patch.object(napari, "Viewer", return_value=viewer):
        for block in blocks:
            exec(compile(block, "guide", "exec"), names)
    assert names["picture"].std() > 10
    until(lambda: names["job"].has_ended)
    tidy(viewer)
    return [layer.name for layer in viewer.layers]
