"""Theirs: what a case does in imjoy-core, in a browser that reaches nobody but the registry."""

from __future__ import annotations

from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

from harness.environments import python_of
from playwright.sync_api import Page, Playwright

from tests.end_to_end.app import CHROMIUM, FLAGS
from tests.end_to_end.oracle.cases import Case
from tests.end_to_end.oracle.registry import SITE
from tests.end_to_end.oracle.seen import seen

VERSIONS = {"imjoy-core": "0.14.5", "imjoy-rpc": "0.5.9"}
ENGINE = Path(__file__).with_name("python_engine.py")


class Theirs:
    """imjoy-core in a browser of its own.

    It loses the first message of some plugins in the shell of Chromium: so it has all of Chromium.

    Plugins in Python run with imjoy-rpc 0.5.59, in a process of its own.

    Args:
        port: of the registry.
    """

    def __init__(self, playwright: Playwright, port: int) -> None:
        everywhere = f"--host-resolver-rules=MAP * 127.0.0.1:{port}, EXCLUDE localhost"
        flags = [*FLAGS, everywhere, "--ignore-certificate-errors"]
        self._browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        self._context = self._browser.new_context(service_workers="block", ignore_https_errors=True)
        self.page: Page = self._context.new_page()
        self.page.goto(f"{SITE}/app.html")
        self.page.wait_for_function("window.oracle?.isReady", timeout=60_000)
        python = python_of("imjoy_rpc")
        assert python is not None
        self._engine = Popen([python, ENGINE], stdin=PIPE, stdout=PIPE, text=True)
        assert self._engine.stdout is not None
        python_port = int(self._engine.stdout.readline())
        self.page.evaluate("port => window.oracle.addPython(port)", python_port)

    def play(self, case: Case) -> list[dict[str, Any]]:
        """The record of a case."""
        page = self.page
        page.evaluate("answers => window.oracle.begin(answers)", case.answers)
        for step in case.steps(SITE):
            if step.name == "windows":
                note = {"step": step.label, "gives": self._windows()}
                page.evaluate("note => window.oracle.note(note)", note)
            else:
                page.evaluate(
                    "step => window.oracle.step(...step)", [step.label, step.name, *step.args]
                )
        record: list[dict[str, Any]] = page.evaluate("window.oracle.end()")
        return record

    def close(self) -> None:
        """End it."""
        self._browser.close()
        self._engine.communicate("", timeout=10)  # it ends when its input does

    def _windows(self) -> list[dict[str, Any]]:
        found = []
        for window in self.page.evaluate("window.oracle.windows()"):
            element = self.page.query_selector(f"[id='{window['place']}'] iframe")
            frame = element and element.content_frame()
            found.append({"name": window["name"], **(seen(frame) if frame else {})})
        return found
