"""Bytecode: keeps compiled what an isolated worker imports, which may not write beside it.

Installers other than pip leave it to Python to compile modules when they are first imported, and to
keep that beside them. Without this each new worker would do so again, for seconds.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from opsin.workers.environment import Environment
from opsin.workers.installer import run_installer
from opsin.workers.isolation.visible import of_environment

MOST = 5000
"""Modules that are compiled at once."""


async def keep_compiled(environment: Environment, modules: Iterable[str]) -> None:
    """Compile modules of an environment that a worker names. What cannot be is left out.

    The worker is not trusted: files elsewhere are left alone, and nothing that is compiled runs.
    """
    if sys.dont_write_bytecode:
        return
    files = await asyncio.to_thread(_of_environment, environment, list(modules)[:MOST])
    if not files:
        return
    compiler = (str(environment.python), "-I", "-S", "-m", "compileall", "-q", "-i", "-")
    await run_installer(("nice", *compiler), lambda line: None, {}, "\n".join(files))


def _of_environment(environment: Environment, modules: Iterable[str]) -> list[str]:
    roots = [Path(os.path.realpath(one)) for one in of_environment(environment)]
    return [
        str(one)
        for one in (Path(os.path.realpath(name)) for name in modules if name.isprintable())
        if one.suffix == ".py" and any(one.is_relative_to(root) for root in roots)
    ]
