"""Running a test's coroutine, and waiting in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


def run(coroutine: Any, seconds: float = 20) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(seconds):
            return await coroutine

    return asyncio.run(bounded())


async def until(holds: Callable[[], object]) -> None:
    while not holds():  # noqa: ASYNC110 # what is waited for happens on the other side
        await asyncio.sleep(0.001)
