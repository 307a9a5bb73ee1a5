"""What holds for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

DATA = "OPSIN_DATA"
END_TO_END = Path(__file__).parent / "end_to_end"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: Playwright keeps an event loop running until the session ends."""
    items.sort(key=lambda item: END_TO_END in item.path.parents)


@pytest.fixture(scope="session", autouse=True)
def _own_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test, and nothing that one starts, touches the workspace of whoever runs it."""
    before = os.environ.get(DATA)
    os.environ[DATA] = str(tmp_path_factory.mktemp("workspace"))
    yield
    os.environ.pop(DATA)
    if before is not None:
        os.environ[DATA] = before
