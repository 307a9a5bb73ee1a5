"""Limits, as they are given and told."""

from __future__ import annotations

import pytest

from opsin.errors import UsageError
from opsin.workers.supervision import VARIABLE, Supervision


def test_limits_are_read_from_a_variable_and_can_be_said_to_another_process() -> None:
    assert Supervision.given({}) == Supervision()
    found = Supervision.given({VARIABLE: "time=600, memory=4G,workers=3,idle=1.5,start=30,"})
    assert found == Supervision(start=30, idle=1.5, time=600, memory=4 * 2**30, workers=3)
    for one in (found, Supervision(), Supervision(memory=123456789)):
        assert Supervision.given({VARIABLE: one.words()}) == one
    assert found.but() == found
    assert found.but(time="2", memory=2**28) == Supervision(30, 1.5, 2, 2**28, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size=3", "OPSIN_LIMITS sets start, idle, time, memory, workers, and not size"),
        ("time", "OPSIN_LIMITS: time: '' is no time: give seconds"),
        ("time=-1", "'-1' is no time"),
        ("idle=nan", "'nan' is no time"),
        ("start=inf", "'inf' is no time"),
        ("memory=much", "'much' is not a size: write it like 512M or 2G"),
        ("memory=20M", "20M is too little for any plugin: give at least 64M"),
        ("workers=0", "'0' is no number of workers: give 1 or more"),
        ("workers=2.5", "'2.5' is no number of workers"),
    ],
)
def test_what_is_no_limit_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Supervision.given({VARIABLE: text})
