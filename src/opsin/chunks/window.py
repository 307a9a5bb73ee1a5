"""Window: how many chunks of a source may be on their way at once, as its link turns out to bear.

Too few leave a link with a long latency idle. Too many make each of them late, the urgent ones too;
and in a view that moves, what is late is given up before it comes, so that nothing ever does. While
answers take about as long as the quickest did, one more may be on its way for each that comes; once
they are late, they only wait for each other, and it is one fewer. (After TCP
Vegas, which looks at delays for the same reason.)
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

FIRST, SMALLEST = 3, 2
LATE, TOO_LATE = 0.15, 0.25
"""Seconds by which an answer may take longer than the quickest one; at most as long again."""
FORGETTING = 1.002
"""The quickest answer counts as so much slower with each further one: links change."""
SPAN, IDLE = 0.5, 0.05
"""Seconds over which a bandwidth is looked at, and after which nothing was asked for."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast chunks come.

    Attributes:
        delay: seconds until one comes, if nothing is in its way.
        bandwidth: bytes of chunks per second.
    """

    delay: float = 0.0
    bandwidth: float = math.inf


class Window:
    """What is known of the way to one source.

    Args:
        largest: chunks on their way at once, at most.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._size = min(FIRST, largest)
        self._quickest = math.inf
        self._bandwidth = math.inf
        self._came: deque[tuple[float, int]] = deque()

    @property
    def size(self) -> int:
        """Chunks on their way at once, now."""
        return self._size

    @property
    def delay(self) -> float:
        """Seconds until a chunk comes, if nothing is in its way; 0 as long as none came."""
        return 0.0 if self._quickest == math.inf else self._quickest

    @property
    def bandwidth(self) -> float:
        """Bytes of chunks per second; infinite as long as the link has not been seen to be full."""
        return self._bandwidth

    def answered(self, seconds: float, size: int, now: float, place: int) -> None:
        """A chunk of `size` bytes came, `seconds` after it was asked for.

        `place` says how many were on their way when it was asked for, itself included.
        """
        self._quickest = min(seconds, self._quickest * FORGETTING)
        late = seconds - self._quickest
        crowded = late > min(LATE, self._quickest)
        if self._came and now - seconds > self._came[-1][0] + IDLE:
            self._came.clear()
        self._measure(size, now, crowded)
        if late > min(TOO_LATE, self._quickest * TOO_LATE / LATE):
            self._shrink()
        elif not crowded and place >= self._size - 1:
            self._size = min(self._size + 1, self._largest)

    def gave_up(self, seconds: float) -> None:
        """A chunk had not come `seconds` after it was asked for, and is not waited for any more."""
        if seconds - self._quickest > min(TOO_LATE, self._quickest * TOO_LATE / LATE):
            self._shrink()

    def _shrink(self) -> None:
        self._size = max(self._size - 1, min(SMALLEST, self._largest))

    def _measure(self, size: int, now: float, crowded: bool) -> None:
        self._came.append((now, size))
        while self._came[0][0] < now - SPAN and len(self._came) > 1:
            self._came.popleft()
        first = self._came[0][0]
        if now - first < SPAN / 4:
            return
        rate = sum(bytes_ for time, bytes_ in self._came if time > first) / (now - first)
        if crowded:
            self._bandwidth = (
                rate if self._bandwidth == math.inf else max(rate, self._bandwidth * 0.98)
            )
        elif self._bandwidth < math.inf:
            self._bandwidth = max(self._bandwidth * 1.01, rate)  # the link may have become better
