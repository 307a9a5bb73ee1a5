"""How far a plugin of the corpus came, and the word for why no further."""

from __future__ import annotations

import pytest
from harness.corpus.outcome import Outcome, compared, detail_of, reason_of

from opsin.errors import EnvironmentFailed, PluginError, RemoteError, UsageError

MISSING = "a/b:C, which it depends on, is not there: https://x.org cannot be reached: no name."


@pytest.mark.parametrize(
    ("error", "log", "how", "reason"),
    [
        (PluginError("no tag", reason="bad_tag"), "", {}, "bad_tag"),
        (EnvironmentFailed("numpy"), "", {}, "no_wheel"),
        (EnvironmentFailed("numpy"), "", {"older": True}, "needs_python"),
        (ImportError("cannot import name 'watershed' from 'skimage'"), "", {}, "no_wheel"),
        (AttributeError("module 'a.b' has no attribute 'c'"), "", {"older": True}, "needs_python"),
        (RemoteError("TypeError: Failed to fetch"), "", {}, "needs_network"),
        (RemoteError("'git+https://me:word@x.org/a' cannot be fetched"), "", {}, "needs_network"),
        (TimeoutError("it took longer"), "https://x.org cannot be reached: …", {}, "needs_network"),
        (TimeoutError("it took longer"), "", {"running": True, "wants_data": True}, ""),
        (RuntimeError("of no use"), MISSING, {}, ""),
        (UsageError("There is no plugin called 'C': add it first."), MISSING, {}, "needs_network"),
        (UsageError("nobody is there to answer"), MISSING, {}, "needs_input"),
        (RemoteError("x of undefined"), "", {"running": True}, "needs_input"),
        (RemoteError("x of undefined"), "", {}, ""),
    ],
)
def test_reasons(error: Exception, log: str, how: dict[str, bool], reason: str) -> None:
    assert reason_of(error, log, **how) == reason


def test_of_a_traceback_its_end_is_told() -> None:
    text = "Error: The script failed: Traceback (most recent call last)\n  a\nNameError: b\n  ^"
    assert detail_of(RemoteError(text)) == "Error: The script failed: NameError: b"
    assert detail_of(RemoteError("")) == "RemoteError"


def test_a_refusal_counts_with_the_right_reason_alone() -> None:
    got = {
        "a": Outcome(True, "refused", "no_wheel"),
        "b": Outcome(True, "set_up", "needs_input"),
    }
    expected = {
        "a": {"outcome": "refused", "reason": "needs_network"},
        "b": {"outcome": "set_up"},
        "c": {"outcome": "ran"},
    }
    others = [("a", "refused needs_network", "refused no_wheel"), ("c", "ran", "missing")]
    assert compared(got, expected) == (1, others)
