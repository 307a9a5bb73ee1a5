"""Offered readers: those that need processes. They are handed to `opsin.images`, not loaded yet."""

from __future__ import annotations

from types import ModuleType

from opsin.images.handed_readers import hand_over


def offer_readers() -> None:
    """Have images opened by readers of napari's plugins, where nobody else reads them. Idempotent.

    Whatever lets people open images calls this once, before they do.
    """
    hand_over("napari", _napari)


def _napari() -> ModuleType:
    from opsin.workers import napari_reader

    return napari_reader
