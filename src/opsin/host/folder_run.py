"""Folder run: a recorded script on every image of a folder, as a job that can be watched."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from opsin.errors import UsageError, WriteError
from opsin.host.batch import PARENT
from opsin.host.job import Job, Result
from opsin.workers.lines import lines_of
from opsin.workers.supervision import DEFAULT, VARIABLE, Supervision

ENDS_WITHIN = 10.0
"""Seconds that a cancelled script gets to end by itself."""
_STEP = re.compile(r"\[(\d+)/(\d+)\] (.*)")


def folder_job(
    title: str,
    script: str,
    folder: Path,
    out: Path,
    workspace: Path,
    supervision: Supervision = DEFAULT,
) -> Job:
    """Start a script on a folder. To be called on an event loop.

    Args:
        title: of the job.
        script: the text of a program, as `opsin.host.script` writes it, kept with the results.
        folder: with the images.
        out: a folder for the results, made if need be. What is done there already is passed over.
        workspace: the folder of the workspace that the script uses.
        supervision: what its workers are granted.

    Raises:
        UsageError: there is no such folder.
        WriteError: the results cannot be written.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder.")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is no folder: choose another place for the results.")
    name = f"script-{hashlib.sha256(script.encode()).hexdigest()[:8]}.py"
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(script, encoding="utf-8")
    except OSError as error:
        raise WriteError(f"{out} cannot be written: {error.strerror or error}.") from error
    job = Job(title, "", "")
    variables = {"OPSIN_DATA": str(workspace), VARIABLE: supervision.words()}
    work = _run(job, out / name, folder, out, variables)
    job.start(asyncio.get_running_loop().create_task(work))
    return job


async def _run(
    job: Job, script: Path, folder: Path, out: Path, variables: Mapping[str, str]
) -> None:
    job.enter("running")
    failed: str | None = None
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(script), str(folder), "--out", str(out)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **variables, PARENT: str(os.getpid())},
        )
        try:
            failed = await _followed(job, process)
        finally:
            await asyncio.shield(_ended(process))
        job.results = [Result("folder", out.name, out)]
        if failed is not None:
            raise UsageError(f"{failed} The others are in {out}; the log says what went wrong.")
        job.enter("done")
    except asyncio.CancelledError:
        job.enter("cancelled")
    except Exception as error:
        job.fail(error)


async def _followed(job: Job, process: asyncio.subprocess.Process) -> str | None:
    """Read what a script tells until its end; the sentence with which it failed, if it did."""
    assert process.stdout is not None
    last = ""
    async for line in lines_of(process.stdout):
        last = line or last
        if step := _STEP.fullmatch(line):
            job.progress(int(step[1]) - 1, int(step[2]), step[3])
        job.say(line)
    return None if await process.wait() == 0 else last


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End a script that has not ended, with all that it started."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        await asyncio.wait_for(process.wait(), ENDS_WITHIN)
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
