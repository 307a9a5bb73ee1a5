"""The cases of the oracle together run all that ImJoy has, as far as imjoy-core can say."""

from __future__ import annotations

import pytest

from tests.end_to_end.oracle.coverage import ELSEWHERE, GROUPS, LISTED, covered


@pytest.mark.parametrize("group", GROUPS)
def test_each_has_a_case(group: str) -> None:
    missing = [name for name, found in covered()[group].items() if not found]
    assert [name for name in missing if f"{group}: {name}" not in ELSEWHERE] == []


def test_what_is_tested_elsewhere_has_no_case() -> None:
    found = covered()
    for place, reason in ELSEWHERE.items():
        group, _, name = place.partition(": ")
        assert name in LISTED[group], place
        assert found[group][name] == [], place
        assert reason.endswith("."), place
