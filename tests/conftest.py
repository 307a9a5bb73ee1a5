"""What holds for all tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

FOLDERS = ("OPSIN_DATA", "OPSIN_CACHE")
TESTS = Path(__file__).parent
END_TO_END = TESTS / "end_to_end"
LONG = {
    TESTS / name
    for name in (
        "test_benchmarks.py",
        "test_docs.py",
        "end_to_end/test_run.py",
        "end_to_end/test_exascale.py",
        "end_to_end/test_points.py",
        "end_to_end/test_many_tabs.py",
    )
}
"""Files of few tests that take long."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: Playwright keeps an event loop running until the session ends.

    Else what takes longest comes first, so that several processes end together: files that are
    known to, then those of many tests.
    """
    tests = Counter(item.path for item in items)

    def place(item: pytest.Item) -> tuple[bool, bool, int]:
        return END_TO_END in item.path.parents, item.path not in LONG, -tests[item.path]

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def _own_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test, and nothing that one starts, touches the workspace of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in FOLDERS:
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield


@pytest.fixture
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where running programs are found; its path is short, as those of sockets must be."""
    with TemporaryDirectory(prefix="opsin-") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)
