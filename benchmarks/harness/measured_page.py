"""Measured page: Opsin's, in which a script runs a tour by itself and reports."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from harness.bound import bound

HARNESS = Path(__file__).parent


@dataclass(frozen=True)
class Measured:
    """A server with such a page."""

    process: subprocess.Popen[str]
    address: str
    """Of the server."""
    token: str

    def page(self, name: str, **query: str) -> str:
        """The address of `measured` or `empty`."""
        return f"{self.address}{name}?token={self.token}&{urlencode(query)}"

    def report(self, longest: float) -> dict[str, Any]:
        """What the page reports, within so many seconds."""
        late = threading.Timer(longest, self.process.kill)
        late.start()
        try:
            lines = _lines(self.process)
            line = next((text for text in lines if text.startswith("report:")), None)
        finally:
            late.cancel()
        if line is None:
            raise SystemExit(f"The page did not report within {longest:.0f} s.")
        report: dict[str, Any] = json.loads(line.removeprefix("report:"))
        assert "error" not in report, report["error"]
        return report


@contextmanager
def measured(tour: str, *words: str | Path) -> Iterator[Measured]:
    """A server in a process of its own: the script of its tour, and the arguments of `view`."""
    command = [sys.executable, HARNESS / "measured_server.py", HARNESS / tour, *words]
    process = subprocess.Popen(bound(command), stdout=subprocess.PIPE, text=True)
    try:
        found = next((place for line in _lines(process) if (place := _place(line))), None)
        assert found is not None, "the server ended before it said where it is"
        yield Measured(process, *found)
    finally:
        process.terminate()
        process.wait()


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    return iter(process.stdout.readline, "")


def _place(line: str) -> tuple[str, str] | None:
    found = re.search(r"(http://127\.0\.0\.1:\d+/)\?token=(\S+)", line)
    return None if found is None else (found[1], found[2])
