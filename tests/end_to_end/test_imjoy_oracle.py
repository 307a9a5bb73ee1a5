"""Plugins do the same in Opsin as in imjoy-core 0.14.5.

The same files run in both, each in a real browser. What they export, call, get and show is the
same, but for what `tests/peers/imjoy/oracle/ignored.json` names. `OPSIN_RECORD=1` records anew what
imjoy-core does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright

from tests.end_to_end.oracle.cases import Case, cases
from tests.end_to_end.oracle.ours import Ours
from tests.end_to_end.oracle.registry import SITE, Registry, kind_of, served, site_files
from tests.end_to_end.oracle.theirs import VERSIONS, Theirs
from tests.end_to_end.oracle.transcripts import (
    FOLDER,
    compared,
    difference,
    read_transcript,
    write_transcript,
)
from tests.end_to_end.test_imjoy_applications import fetched
from tests.host.imjoy_web import Web, web
from tests.server.serving import serving

ALL = cases()
TRIES = 6
"""imjoy-core loses a message now and then: its frames answer each order twice."""
RECORDING = os.environ.get("OPSIN_RECORD") == "1"


@pytest.fixture(scope="module")
def site() -> Iterator[Web]:
    with web() as site:
        for name, path in site_files().items():
            site.put(f"/{name}", path.read_bytes(), kind_of(path))
        yield site


@pytest.fixture(scope="module")
def theirs(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theirs]:
    with served(Registry(), tmp_path_factory.mktemp("registry")) as port:
        theirs = Theirs(playwright, port)
        yield theirs
        theirs.close()


@pytest.fixture(scope="module")
def ours(browser: Browser, site: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    folder = tmp_path_factory.mktemp("data")
    fetched(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPSIN_DATA", str(folder))
        with serving(no_plugins=None) as server:
            ours = Ours(browser, server, patch, site.address)
            yield ours
            ours.close()


def has_loaded(lines: list[str]) -> bool:
    """Whether a plugin was loaded, of which this is the record."""
    steps = [event for event in map(json.loads, lines) if event.get("step") == ["load"]]
    return "fails" not in steps[0]


def record(case: Case, theirs: Theirs) -> None:
    """Keep what imjoy-core does twice in a row."""
    before: list[str] = []
    for _ in range(2 * TRIES):
        lines = compared(case, theirs.play(case), SITE)
        if lines == before and has_loaded(lines) == case.loads:
            write_transcript(case, lines, VERSIONS)
            return
        before = lines
    pytest.fail(f"imjoy-core does something else each time: {difference(before, lines)}")


@pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
def test_imjoy_core_does_what_was_recorded(case: Case, theirs: Theirs) -> None:
    if RECORDING:
        record(case, theirs)
    expected = read_transcript(case)
    for _ in range(TRIES):
        found = difference(expected, compared(case, theirs.play(case), SITE))
        if not found:
            return
    pytest.fail(found)


@pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
def test_opsin_does_the_same(case: Case, ours: Ours, site: Web) -> None:
    lines = compared(case, ours.play(case), site.address)
    if found := difference(read_transcript(case), lines):
        pytest.fail(found)


@pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
def test_what_was_recorded_is_no_accident(case: Case) -> None:
    assert has_loaded(read_transcript(case)) == case.loads


def test_there_is_a_transcript_of_each_case_and_no_other() -> None:
    assert len(ALL) >= 40
    assert {path.stem for path in FOLDER.iterdir()} == {case.name for case in ALL}
