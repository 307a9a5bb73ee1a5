"""Converted: the files that a conversion makes, and what could not be carried over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Converted:
    """The text of each file by its path, below the target; '' is the target itself."""

    files: Mapping[str, str]
    left_out: tuple[str, ...] = ()
    """Sentences."""
