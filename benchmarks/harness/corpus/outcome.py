"""Outcome: how far a plugin came, and why no further; and whether that was expected."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from opsin.errors import EnvironmentFailed, OpsinError, PluginError, Reason

Stage: TypeAlias = Literal["ran", "set_up", "loaded", "refused"]
STAGES: tuple[Stage, ...] = ("refused", "loaded", "set_up", "ran")
LONGEST = 300

_NO_NETWORK = re.compile(
    r"Failed to fetch|Network ?Error|ERR_(?:NAME|INTERNET|CONNECTION)|Name or service not known|"
    r"Temporary failure in name resolution|Network is unreachable|Max retries exceeded|URLError|"
    r"Load failed|net::|Content Security Policy|cannot be (?:reached|fetched)",
    re.IGNORECASE,
)
_NO_PACKAGE = re.compile(
    r"ModuleNotFoundError|No module named|ImportError|cannot import name|no wheel|"
    r"module '[\w.]+' has no attribute",
    re.IGNORECASE,
)
"""What a script fails with whose packages are not there, or not those that it was written for."""
_NO_INPUT = re.compile(
    r"nobody is there to answer|user (?:cancel|abort)|no (?:file|folder|image|input)s? "
    r"(?:was|were|is|are)? ?(?:selected|given|chosen)",
    re.IGNORECASE,
)
_NO_DATA = re.compile(
    r"of (?:undefined|null)\b|(?:undefined|null) is not|'NoneType'|(?:Key|Attribute)Error"
)
"""What scripts fail with that take for granted that they were given something."""
_NO_PLUGIN = re.compile(r"There is no plugin called")
_DEPENDENCY = re.compile(r"^.*which it depends on, is not there.*$", re.MULTILINE)
_TRACE = "Traceback (most recent call last)"
_NO_ENGINE = re.compile(r"\bengine\b|Jupyter", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a plugin came.

    Attributes:
        parsed: whether its file could be read.
        outcome: the last step that it did.
        reason: why it did no further one, in a word; '' where there is none, or none is known.
        detail: the same in a sentence.
    """

    parsed: bool
    outcome: Stage
    reason: Reason = ""
    detail: str = ""
    kind: str = ""
    seconds: float = 0.0

    def entry(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def reason_of(
    error: BaseException,
    log: str = "",
    *,
    running: bool = False,
    wants_data: bool = False,
    older: bool = False,
) -> Reason:
    """The word for what kept a plugin from going on.

    Args:
        log: what it had said before; it counts where the error itself says nothing.
        running: it was set up, and failed when it was run.
        wants_data: it works on data, of which there was none.
        older: it was written for an older Python than there is.
    """
    if isinstance(error, OpsinError) and error.reason:
        return error.reason
    # That another plugin is missing matters to one that fails for that alone.
    needs_other = _NO_PLUGIN.search(str(error))
    said = "\n".join(_DEPENDENCY.findall(log)) if needs_other else _DEPENDENCY.sub("", log)
    for text in (str(error), said):
        if _NO_INPUT.search(text):
            return "needs_input"
        if isinstance(error, EnvironmentFailed) or _NO_PACKAGE.search(text):
            return "needs_python" if older else "no_wheel"
        if _NO_NETWORK.search(text):
            return "needs_network"
        if isinstance(error, PluginError) and _NO_ENGINE.search(text):
            return "needs_engine"
    had_none = wants_data or _NO_DATA.search(str(error))
    return "needs_input" if running and had_none and not isinstance(error, TimeoutError) else ""


def detail_of(error: BaseException) -> str:
    """What it says, in a line: of a traceback how it ends."""
    before, trace, rest = str(error).partition(_TRACE)
    if trace:
        lines = [line for line in rest.splitlines() if line.strip()]
        # Its last line that is not indented says what was raised.
        raised = [line for line in lines if not line[0].isspace()]
        before += (raised or lines or [""])[-1]
    text = " ".join(before.split()) or type(error).__name__
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def compared(
    outcomes: dict[str, Outcome], expected: dict[str, Any]
) -> tuple[int, list[tuple[str, str, str]]]:
    """How many came as far as expected, and those that did not: file, expected, got.

    A refusal counts with the right reason alone; so does any other where a reason is expected.
    """
    as_expected, others = 0, []
    for file, wanted in expected.items():
        got = outcomes.get(file)
        want = (str(wanted.get("outcome")), str(wanted.get("reason") or ""))
        found = (got.outcome, got.reason) if got else ("missing", "")
        if found[0] == want[0] and (found[1] == want[1] or not want[1]):
            as_expected += 1
        else:
            others.append((file, " ".join(want).strip(), " ".join(found).strip()))
    return as_expected, others


def read_expected(path: Path) -> dict[str, Any]:
    """A list of expected outcomes: `{relative path: {"outcome": …, "reason": …}}`."""
    expected = json.loads(path.read_bytes())
    if not isinstance(expected, dict) or not all(isinstance(v, dict) for v in expected.values()):
        raise SystemExit(f"{path} is no list of expected outcomes.")
    return expected
