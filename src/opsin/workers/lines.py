"""Lines: what a process prints, line by line."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncIterator

LONGEST_LINE = 5000
"""Letters of a line that are kept: more than a path has."""


async def lines_of(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """What comes, line by line, however long a line is: its end is left out then."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    while data := await stream.read(2**16):
        *lines, rest = (rest + decoder.decode(data)).split("\n")
        for line in lines:
            yield line[:LONGEST_LINE].rstrip()
        rest = rest[:LONGEST_LINE]
    if rest:
        yield rest.rstrip()
