"""Installer: a program that fetches, installs or compiles for plugins, such as uv or git."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from tempfile import TemporaryFile

from opsin.workers.lines import lines_of

KILLED_WITHIN = 5.0
"""Seconds that a killed program is waited for."""
SECRETS = ("OPSIN_TOKEN",)
"""Variables that nothing sees which comes from outside: packages run code when they are built."""

Output = Callable[[str], None]


async def run_installer(
    command: Sequence[str],
    output: Output,
    variables: Mapping[str, str],
    text: str = "",
) -> int:
    """Run a program; it is killed with everything that it started when this task is cancelled.

    Args:
        output: is given every line that it prints.
        variables: that it gets beside those of this process.
        text: that it reads.

    Returns:
        Its exit status.
    """
    known = {name: value for name, value in os.environ.items() if name not in SECRETS}
    # No pipe: writing to one fails where the program has ended without reading.
    with TemporaryFile() as given:
        given.write(text.encode())
        given.seek(0)
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=given,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            env=known | dict(variables),
        )
    assert process.stdout is not None
    try:
        async for line in lines_of(process.stdout):
            output(line)
        return await process.wait()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # Not `wait`, which may never end while output is left that nobody reads.
        with suppress(TimeoutError, ValueError):
            await asyncio.wait_for(process.communicate(), KILLED_WITHIN)
        raise
