"""What holds for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

END_TO_END = Path(__file__).parent / "end_to_end"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: Playwright keeps an event loop running until the session ends."""
    items.sort(key=lambda item: END_TO_END in item.path.parents)
