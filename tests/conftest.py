"""What holds for all tests."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

FOLDERS = ("OPSIN_DATA", "OPSIN_CACHE")
TESTS = Path(__file__).parent
END_TO_END = TESTS / "end_to_end"
NAPARI = TESTS / "napari_plugin"
LONG = {
    TESTS / name: seconds
    for name, seconds in {
        "test_docs.py": 80,
        "test_benchmarks.py": 60,
        "napari_plugin/test_plugins.py": 58,
        "napari_plugin/test_volumes.py": 50,
        "napari_plugin/test_history.py": 40,
        "napari_plugin/test_images.py": 37,
        "napari_plugin/test_leaving.py": 25,
        "napari_plugin/test_loader.py": 25,
        "workers/test_isolation.py": 60,
        "workers/test_process.py": 60,
        "workers/test_napari_reader.py": 40,
        "workers/test_kill_rounds.py": 20,
        "end_to_end/test_exascale.py": 95,
        "end_to_end/test_points.py": 87,
        "end_to_end/test_volumes.py": 79,
        "end_to_end/test_bad_input.py": 79,
        "end_to_end/test_pictures.py": 76,
        "end_to_end/test_imjoy_oracle.py": 68,
        "end_to_end/test_plugin_windows.py": 65,
        "end_to_end/test_tour.py": 51,
        "end_to_end/test_four_views.py": 48,
        "end_to_end/test_run.py": 40,
        "end_to_end/test_panels.py": 40,
        "end_to_end/test_napari_plugins.py": 36,
        "end_to_end/test_imjoy_applications.py": 35,
        "end_to_end/test_volume_precision.py": 34,
        "end_to_end/test_imjoy_examples.py": 33,
        "end_to_end/test_volume_pointer.py": 30,
        "end_to_end/test_many_tabs.py": 27,
        "end_to_end/test_restart.py": 26,
        "end_to_end/test_debugger.py": 26,
        "end_to_end/test_volume_clip.py": 22,
        "end_to_end/test_install.py": 21,
        "end_to_end/test_volume_stacks.py": 19,
    }.items()
}
"""About how many seconds files take, where their number of tests does not tell."""
NAPARI_STARTS = 8
"""Seconds until a file of tests has its napari."""
TEST = 0.2
"""Seconds that a test takes, as a rule."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes longest first, so that several processes end together.

    Tests in napari draw for most of their time, others wait for processes: every third file is one
    of napari's, so that they seldom run beside each other. Browser tests come last: Playwright
    keeps an event loop running until the session ends.
    """
    tests = Counter(item.path for item in items)

    def seconds(path: Path) -> float:
        start = NAPARI_STARTS if NAPARI in path.parents else 0
        return LONG.get(path, start + TEST * tests[path])

    longest = sorted(tests, key=seconds, reverse=True)
    places: dict[Path, tuple[bool, float]] = {}
    for draws in (True, False):
        files = [path for path in longest if (NAPARI in path.parents) == draws]
        for number, path in enumerate(files):
            place = 3 * number if draws else 1.5 * number
            places[path] = (END_TO_END in path.parents, place)
    items.sort(key=lambda item: places[item.path])


@pytest.fixture(scope="session", autouse=True)
def _own_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test, and nothing that one starts, touches the workspace of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in FOLDERS:
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield


@pytest.fixture(scope="module", autouse=True)
def _own_host() -> Iterator[None]:
    """The host of a process, with the workers that it keeps, ends with the file that has used it.

    Else tests of the next one, which count workers, find others than their own.
    """
    yield
    module = sys.modules.get("opsin.host.host_thread")
    if module is not None:
        module.HostThread.end_shared()


@pytest.fixture
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where running programs are found; its path is short, as those of sockets must be."""
    with TemporaryDirectory(prefix="opsin-") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)
