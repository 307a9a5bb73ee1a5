"""What holds for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDERS = ("OPSIN_DATA", "OPSIN_CACHE")
END_TO_END = Path(__file__).parent / "end_to_end"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: Playwright keeps an event loop running until the session ends."""
    items.sort(key=lambda item: END_TO_END in item.path.parents)


@pytest.fixture(scope="session", autouse=True)
def _own_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test, and nothing that one starts, touches the workspace of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in FOLDERS:
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield
