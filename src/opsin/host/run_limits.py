"""Run limits: a run that takes more time or memory than it is granted fails, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opsin.errors import LimitExceeded
from opsin.workers.supervision import Supervision


@asynccontextmanager
async def within(granted: Supervision) -> AsyncIterator[None]:
    """Cancel the block when its time is up.

    Raises:
        LimitExceeded: it took too long; or the plugin was refused more memory.
    """
    limit = asyncio.timeout(granted.time)
    try:
        async with limit:
            yield
    except TimeoutError:
        if limit.expired():
            raise LimitExceeded(granted.over_time()) from None
        raise
    except Exception as error:
        if granted.memory is None or not _is_want_of_memory(error):
            raise
        told = LimitExceeded(granted.over_memory(str(error).rstrip(".") or "There was no memory"))
        told.__notes__ = getattr(error, "__notes__", [])  # where in the plugin
        raise told from None


def _is_want_of_memory(error: Exception) -> bool:
    """Whether it is Python's, or NumPy's, which is known by its name alone."""
    name = str(getattr(error, "name", "")) or type(error).__name__
    return isinstance(error, MemoryError) or name.endswith("MemoryError")
