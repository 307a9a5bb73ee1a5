"""Back-off: how long a plugin waits for its next worker, when all that it gets die at once. Pure.

The first few deaths in a row cost nothing. After that, each start is later than the one before by
1, 2, 4 … seconds; a run that comes to an end, well or not, and all is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

FREE = 3
"""Deaths in a row before anything waits."""
FIRST, LONGEST = 1.0, 60.0
"""Seconds of the first wait, and of the last ones."""
QUICK = 10.0
"""Seconds of a run; a worker that dies later than that has not died at once."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """What is known of the workers of one program. Times are of any clock that never goes back.

    Attributes:
        deaths: in a row.
        not_before: when the next worker may be used.
        reason: of the last death.
    """

    deaths: int = 0
    not_before: float = 0.0
    reason: str = ""

    @property
    def pause(self) -> float:
        """Seconds between the last death, or the last start, and the next start."""
        if self.deaths < FREE:
            return 0.0
        return min(LONGEST, FIRST * 2.0 ** min(self.deaths - FREE, 30))

    def wait(self, now: float) -> float:
        """Seconds until a worker may be used."""
        return max(0.0, self.not_before - now)

    def begun(self, now: float) -> BackOff:
        """A worker is used now; the next one has to wait, until it is known how that went."""
        return replace(self, not_before=now + self.pause)

    def died(self, now: float, reason: str) -> BackOff:
        """A worker has died at once."""
        after = BackOff(self.deaths + 1, 0.0, reason)
        return replace(after, not_before=max(self.not_before, now + after.pause))

    def words(self, now: float) -> str:
        """Why it waits, for whoever asked for the run."""
        first = self.reason.partition("\n")[0]
        return (
            f"It ended {self.deaths} times in a row as soon as it ran, and is tried again in "
            f"{max(1, round(self.wait(now)))} s. The last time: {first}"
        )
