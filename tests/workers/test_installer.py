"""Tests of opsin.workers.installer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop

from opsin.workers.installer import run_installer

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
PROGRAMS = {
    "reads": ("sort", "b\na\n", ["a", "b"]),
    "does not read": ("true", "b\n" * 2**17, []),
    "has nothing to read": ("true", "", []),
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("loop", LOOPS)
def test_a_program_may_have_ended_before_anything_is_said_to_it(
    loop: str, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = asyncio.create_subprocess_exec

    async def ended(*words: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await start(*words, **options)
        await asyncio.wait_for(process.wait(), 20)
        return process

    command, text, expected = PROGRAMS[program]
    monkeypatch.setattr(asyncio, "create_subprocess_exec", ended)
    lines: list[str] = []
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert runner.run(run_installer((command,), lines.append, {}, text)) == 0
    assert [line.strip() for line in lines] == expected
