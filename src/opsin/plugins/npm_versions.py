"""npm versions: which version of a package a range means, as npm chooses it. Pure.

A range is a tag of the package (`latest`), a version or its beginning (`2`, `2.6.x`), `^1.2`,
`~1.2`, comparisons side by side (`>=1.2 <3`), `1.2 - 2.3`, and any of these on both sides of `||`
(https://github.com/npm/node-semver). The newest that fits is chosen; one before a release
(`3.0.0-rc6`) only where the range names one of the same release.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import total_ordering
from typing import NamedTuple

LONGEST = 256
LATEST = "latest"
_VERSION = re.compile(
    r"[v=\s]*(\d{1,15})\.(\d{1,15})\.(\d{1,15})"
    r"(?:-?([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
)
_PART = re.compile(
    r"(>=|<=|>|<|\^|~>?|=)?\s*(?:[v=]*(\d{1,15}|[xX*])(?:\.(\d{1,15}|[xX*])(?:\.(\d{1,15}|[xX*])"
    r"(?:-?([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?)?)?)?"
)
_HYPHEN = re.compile(r"\s*(\S+)\s+-\s+(\S+)\s*")


@total_ordering
class _Version(NamedTuple):
    """A version that can be compared."""

    release: tuple[int, int, int]
    before: tuple[str, ...] = ()
    """What stands behind the hyphen; such a version comes before its release."""

    def __lt__(self, other: tuple[object, ...]) -> bool:
        assert isinstance(other, _Version)
        return self._key() < other._key()

    def __gt__(self, other: tuple[object, ...]) -> bool:
        assert isinstance(other, _Version)
        return self._key() > other._key()

    def __le__(self, other: tuple[object, ...]) -> bool:
        return not self > other

    def __ge__(self, other: tuple[object, ...]) -> bool:
        return not self < other

    def _key(self) -> tuple[tuple[int, int, int], bool, list[tuple[int, int, str]]]:
        parts = [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in self.before[:32]]
        return self.release, not self.before, parts


class _Bound(NamedTuple):
    """One comparison."""

    operator: str
    version: _Version

    def admits(self, version: _Version) -> bool:
        match self.operator:
            case ">=":
                return version >= self.version
            case ">":
                return version > self.version
            case "<":
                return version < self.version
            case "<=":
                return version <= self.version
            case _:
                return version == self.version


def choose(range: str, versions: Iterable[str], tags: Mapping[str, str]) -> str | None:
    """The version that a range means; None: none of those there are fits, or it is no range.

    Args:
        versions: those that there are, in any order.
        tags: names of versions, `latest` among them.
    """
    range = range.strip()
    if len(range) > LONGEST:
        return None
    if (range or LATEST) in tags:
        return tags[range or LATEST]
    known = {text: found for text in versions if (found := _read(text)) is not None}
    if range in known:
        return range
    sets = _bounds(range)
    if sets is None:
        return None
    fitting = [text for text, version in known.items() if any(_fits(version, s) for s in sets)]
    latest = tags.get(LATEST)
    if latest in fitting:
        return latest
    return max(fitting, key=lambda text: known[text], default=None)


def is_exact(range: str) -> bool:
    """Whether a range is one version, so that what there is need not be asked."""
    found = _VERSION.fullmatch(range) if len(range) <= LONGEST else None
    return found is not None and range[:1].isdigit()


def _fits(version: _Version, bounds: list[_Bound]) -> bool:
    if not all(bound.admits(version) for bound in bounds):
        return False
    return not version.before or any(
        bound.version.before and bound.version.release == version.release for bound in bounds
    )


def _read(text: str) -> _Version | None:
    found = _VERSION.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        return None
    before = tuple(found[4].split(".")) if found[4] else ()
    return _Version((int(found[1]), int(found[2]), int(found[3])), before)


def _bounds(range: str) -> list[list[_Bound]] | None:
    """Comparisons that hold together, one list for each side of `||`; None: it is no range."""
    sets = []
    for side in range.split("||"):
        if hyphen := _HYPHEN.fullmatch(side):
            parts = [f">={hyphen[1]}", f"<={hyphen[2]}"]
        else:
            parts = re.sub(r"(>=|<=|>|<|\^|~>?|=)\s+", r"\1", side).split() or ["*"]
        found: list[_Bound] = []
        for part in parts:
            match = _PART.fullmatch(part)
            if match is None:
                return None
            found += _of_part(match)
        sets.append(found)
    return sets


def _of_part(part: re.Match[str]) -> Iterator[_Bound]:
    operator = (part[1] or "").replace("~>", "~")
    numbers: list[int] = []
    for text in part.group(2, 3, 4):
        if text is None or not text.isdigit():
            break
        numbers.append(int(text))
    before = tuple(part[5].split(".")) if part[5] and len(numbers) == 3 else ()
    low = _Version((*numbers, 0, 0, 0)[:3], before)  # type: ignore[arg-type] # three
    if not numbers:
        if operator in ("<", ">"):
            yield _Bound("<", _Version((0, 0, 0), ("0",)))  # nothing fits
        return
    if operator in ("", "="):
        if len(numbers) == 3:
            yield _Bound("=", low)
            return
        yield _Bound(">=", low)
        yield _below(numbers, len(numbers) - 1)
    elif operator == "~":
        yield _Bound(">=", low)
        yield _below(numbers, min(len(numbers) - 1, 1))
    elif operator == "^":
        yield _Bound(">=", low)
        leading = next((i for i, n in enumerate(numbers) if n), len(numbers) - 1)
        yield _below(numbers, leading)
    elif operator == ">" and len(numbers) < 3:
        yield _Bound(">=", _after(numbers, len(numbers) - 1))
    elif operator == "<=" and len(numbers) < 3:
        yield _below(numbers, len(numbers) - 1)
    else:
        yield _Bound(operator, low)


def _below(numbers: list[int], place: int) -> _Bound:
    after = _after(numbers, place)
    return _Bound("<", _Version(after.release, ("0",)))


def _after(numbers: list[int], place: int) -> _Version:
    """The first version in which the number at a place is the next."""
    raised = [*numbers[:place], numbers[place] + 1]
    return _Version((*raised, 0, 0, 0)[:3])  # type: ignore[arg-type] # three
