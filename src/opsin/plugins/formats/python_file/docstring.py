"""Docstring: its summary, and what it says of every argument, in Google's or NumPy's style."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

_UNDERLINE = re.compile(r"-{3,}\s*")
_HEADING = re.compile(r"[A-Z][A-Za-z ]{2,30}:\s*")
_ARGUMENTS = {"Args", "Arguments", "Keyword Args", "Other Parameters", "Parameters", "Params"}
_GOOGLE = re.compile(r"(?P<names>\*{0,2}\w+(?:, ?\w+)*) ?(?:\([^()]*\))?:\s*(?P<text>.*)")
_NUMPY = re.compile(r"(?P<names>\*{0,2}\w+(?:, ?\w+)*)\s*(?::.*)?(?P<text>)")
_LONGEST_LINE = 1000


@dataclass(frozen=True, slots=True)
class Docstring:
    """What a docstring says. `summary` is all that stands before its first section."""

    summary: str = ""
    arguments: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, node: ast.Module | ast.FunctionDef) -> Docstring:
        """The docstring of a module or function; an empty one if it has none."""
        text = (ast.get_docstring(node) or "").encode(errors="replace").decode()
        lines = [line[:_LONGEST_LINE].rstrip() for line in text.splitlines()]
        starts = [i for i in range(len(lines)) if _begins_section(lines, i)]
        arguments: dict[str, str] = {}
        for start, end in pairwise([*starts, len(lines)]):
            underlined = not lines[start].endswith(":")
            if lines[start].rstrip(":") in _ARGUMENTS:
                body = lines[start + 1 + underlined : end]
                arguments.update(_arguments(body, _NUMPY if underlined else _GOOGLE))
        before = lines[: starts[0]] if starts else lines
        paragraphs = "\n".join(before).strip().split("\n\n")
        return cls("\n\n".join(" ".join(part.split()) for part in paragraphs), arguments)


def _begins_section(lines: Sequence[str], i: int) -> bool:
    """Whether line `i` is `Args:` or the like, or a heading with a line of dashes below it."""
    if _HEADING.fullmatch(lines[i]):
        return True
    return (
        bool(lines[i][:1].strip())
        and i + 1 < len(lines)
        and bool(_UNDERLINE.fullmatch(lines[i + 1]))
    )


def _arguments(body: Sequence[str], item: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Name and description of every argument in the body of a section.

    An item begins where the first one does; what is further in goes on with it, and what is
    further out ends the section.
    """
    indent: int | None = None
    names: list[str] = []
    words: list[str] = []
    for line in body:
        if not line.strip():
            continue
        inside = len(line) - len(line.lstrip())
        indent = inside if indent is None else indent
        if inside > indent:
            words.append(line.strip())
            continue
        yield from ((name, " ".join(words)) for name in names)
        names, words = [], []
        found = item.fullmatch(line.strip())
        if inside < indent or found is None:
            break
        names = [name.strip("* ") for name in found["names"].split(",")]
        words = [found["text"]] if found["text"] else []
    yield from ((name, " ".join(words)) for name in names)
