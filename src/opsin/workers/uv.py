"""uv: the program that chooses, fetches and installs packages (https://docs.astral.sh/uv)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress

from opsin.errors import EnvironmentFailed
from opsin.workers.install_failure import explained
from opsin.workers.lines import lines_of

KILLED_WITHIN = 5.0
"""Seconds that a killed uv is waited for."""
SECRETS = ("OPSIN_TOKEN",)
"""Variables that nothing sees which comes from outside: packages run code when they are built."""

Output = Callable[[str], None]


async def run_uv(
    arguments: Sequence[str],
    output: Output,
    *,
    wanted: Sequence[str] = (),
    text: str = "",
    keep: list[str] | None = None,
) -> None:
    """Run uv, which is killed with everything that it started when this task is cancelled.

    Args:
        output: is given every line that it prints.
        wanted: the requirements that it is about, for what is said if it fails.
        text: that it reads.
        keep: takes the lines.

    Raises:
        EnvironmentFailed: it failed.
    """
    from uv import find_uv_bin

    variables = {name: value for name, value in os.environ.items() if name not in SECRETS}
    variables |= {"UV_SYSTEM_CERTS": "1", "UV_NO_WRAP": "1", "VIRTUAL_ENV": ""}
    process = await asyncio.create_subprocess_exec(
        find_uv_bin(),
        "--color=never",
        "--no-progress",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        env=variables,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    lines: list[str] = [] if keep is None else keep
    try:
        process.stdin.write(text.encode())
        process.stdin.close()
        async for line in lines_of(process.stdout):
            lines.append(line)
            output(line)
        status = await process.wait()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # Not `wait`, which may never end while output is left that nobody reads.
        with suppress(TimeoutError, ValueError):
            await asyncio.wait_for(process.communicate(), KILLED_WITHIN)
        raise
    if status:
        raise EnvironmentFailed(explained(lines, wanted).sentence)
