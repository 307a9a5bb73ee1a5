"""What holds for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDERS = ("OPSIN_DATA", "OPSIN_CACHE")
END_TO_END = Path(__file__).parent / "end_to_end"


SLOW = {
    Path(__file__).parent / "test_benchmarks.py",
    Path(__file__).parent / "test_docs.py",
    *(
        END_TO_END / f"test_{name}.py"
        for name in ("run", "exascale", "points", "many_tabs", "volume_stacks")
    ),
}
"""Files whose tests are few and long come first: no process is left alone with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: Playwright keeps an event loop running until the session ends."""
    items.sort(key=lambda item: (END_TO_END in item.path.parents, item.path not in SLOW))


@pytest.fixture(scope="session", autouse=True)
def _own_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test, and nothing that one starts, touches the workspace of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in FOLDERS:
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield
