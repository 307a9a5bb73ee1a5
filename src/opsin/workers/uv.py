"""uv: the program that chooses, fetches and installs packages (https://docs.astral.sh/uv)."""

from __future__ import annotations

from collections.abc import Sequence

from opsin.errors import EnvironmentFailed
from opsin.workers.install_failure import explained
from opsin.workers.installer import Output, run_installer

_VARIABLES = {"UV_SYSTEM_CERTS": "1", "UV_NO_WRAP": "1", "VIRTUAL_ENV": ""}


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

    lines: list[str] = [] if keep is None else keep

    def say(line: str) -> None:
        lines.append(line)
        output(line)

    command = (find_uv_bin(), "--color=never", "--no-progress", *arguments)
    if await run_installer(command, say, _VARIABLES, text):
        failure = explained(lines, wanted)
        raise EnvironmentFailed(failure.sentence, reason=failure.word)
