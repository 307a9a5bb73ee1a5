"""Answer: bytes in memory as a whole or partial HTTP answer: ETag, conditions, one range. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from opsin.images.write.codec import Stored

PIECE = 256 << 10
"""Bytes that are handed to the connection at a time, so that few wait in it."""

_RANGE = re.compile(
    r"\s*bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.IGNORECASE | re.ASCII
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers, and which bytes of the body are sent."""

    status: int
    headers: dict[str, str]
    body: memoryview


def tag_of(body: Stored) -> str:
    """A strong ETag: another one for other bytes."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def answer(body: Stored, tag: str, kind: str, request: Mapping[str, str]) -> Answer:
    """What is answered to a GET with these headers (names in lower case).

    A range that makes no sense, and several ranges, count as none, as RFC 9110 allows.
    """
    whole = memoryview(body).cast("B")
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if _names(request.get("if-none-match", ""), tag):
        return Answer(304, headers, whole[:0])
    headers |= {"Accept-Ranges": "bytes", "Content-Type": kind}
    span = None
    if request.get("if-range", tag) == tag:
        span = _span(request.get("range", ""), len(whole))
    if span is None:
        return Answer(200, headers | {"Content-Length": str(len(whole))}, whole)
    start, stop = span
    if start >= stop:
        headers |= {"Content-Range": f"bytes */{len(whole)}", "Content-Length": "0"}
        return Answer(416, headers, whole[:0])
    headers |= {
        "Content-Range": f"bytes {start}-{stop - 1}/{len(whole)}",
        "Content-Length": str(stop - start),
    }
    return Answer(206, headers, whole[start:stop])


def _names(condition: str, tag: str) -> bool:
    """Whether an `If-None-Match` names this ETag, weak or strong."""
    named = [one.strip().removeprefix("W/") for one in condition.split(",")]
    return tag in named or "*" in named


def _span(asked: str, size: int) -> tuple[int, int] | None:
    """First byte, and last plus one; None for no range. One that is empty cannot be had."""
    match = _RANGE.fullmatch(asked)
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        return max(0, size - int(match[2])), size
    first = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < first:
        return None
    return min(first, size), min(last + 1, size)
