"""Blocks: the parts of an ImJoy file, `<config>`, `<script>`, `<docs>` and so on. Pure.

The file is no HTML, but a sequence of blocks in the grammar of Vue's single-file components, as
ImJoy reads it (imjoy-core, `pluginParser.js`): scripts and styles run to their end tag whatever
stands in them; in other blocks tags have to match, where `<br>` opens one, too. What is neither is
passed over. Takes time in proportion to the length of the text, whatever it is.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

KNOWN = ("attachment", "config", "docs", "link", "script", "style", "window")
PLAIN = ("script", "style", "textarea")
"""What runs to its end tag."""
FIRST_LINE_FREE = ("pre", "textarea")
"""What a line may end behind without that counting."""

_NAME = r"(?:[a-zA-Z_][A-Za-z0-9_.\-]*:)?[a-zA-Z_][A-Za-z0-9_.\-]*"
_SPACES = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)
"""What JavaScript takes for spaces."""
_SPACE = f"[{_SPACES}]*"
_OPENS = re.compile(rf"<({_NAME})")
_CLOSES = re.compile(rf"</({_NAME})[^>]*>")
_ENDS = re.compile(rf"{_SPACE}(/?)>")
_ATTRIBUTE = re.compile(
    rf"{_SPACE}([^{_SPACES}\"'<>/=]+)"
    rf"(?:{_SPACE}(?:=){_SPACE}(?:\"([^\"]*)\"+|'([^']*)'+|([^{_SPACES}\"'=<>`]+)))?"
)
_DOCTYPE = re.compile(r"<!DOCTYPE [^>]+>", re.IGNORECASE)
_PLAIN_ENDS = {name: re.compile(rf"</{name}[^>]*>", re.IGNORECASE) for name in PLAIN}
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&amp;": "&"}
_ENTITY = re.compile("|".join(_ENTITIES))
_LINE_END = re.compile(r"\r?\n")


@dataclass(frozen=True, slots=True)
class Block:
    """One part of a file.

    Attributes:
        name: as it stands there.
        attributes: of its start tag; one without a value is ''.
        content: without the indentation that all of its lines share.
        line: where the content begins in the file, from 1.
    """

    name: str
    attributes: dict[str, str]
    content: str
    line: int


def read_blocks(text: str) -> list[Block]:
    """All blocks of a file, those too that ImJoy does not know, in their order."""
    return _Reader(text).read()


class _Reader:
    """Goes through a text once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._last = text.rfind(">") + 1
        """No tag ends after this."""
        self._at = 0
        self._open: list[str] = []
        self._count: Counter[str] = Counter()
        self._begun: tuple[str, dict[str, str], int] | None = None
        self._blocks: list[Block] = []
        self._line, self._counted = 1, 0

    def read(self) -> list[Block]:
        while self._at < len(self._text):
            before = self._at
            if self._open and self._open[-1] in PLAIN:
                self._plain(self._open[-1])
            else:
                self._markup()
            if self._at == before:  # a comment or a script without an end
                break
        if self._open:
            self._close(0, self._at)
        return self._blocks

    def _plain(self, name: str) -> None:
        found = _PLAIN_ENDS[name].search(self._text, self._at, self._last)
        if found:
            self._at = found.end()
            self._close(len(self._open) - 1, found.start())

    def _markup(self) -> None:
        text, at = self._text, self._at
        for start, end in (("<!--", "-->"), ("<![", "]>")):
            if text.startswith(start, at):
                last = text.find(end, at)
                if last >= 0:
                    self._at = last + len(end)
                    return
        if found := _DOCTYPE.match(text, at, self._last):
            self._at = found.end()
        elif found := _CLOSES.match(text, at, self._last):
            self._at = found.end()
            self._end(found[1].lower(), at)
        elif not self._start():
            self._skip()

    def _start(self) -> bool:
        """Read a start tag. False: it has no end, or there is none."""
        found = _OPENS.match(self._text, self._at)
        if found is None:
            return False
        self._at = found.end()
        name, attributes = found[1], dict[str, str]()
        while not (end := _ENDS.match(self._text, self._at)):
            attribute = _ATTRIBUTE.match(self._text, self._at)
            if attribute is None:
                return False
            self._at = attribute.end()
            value = attribute[2] or attribute[3] or attribute[4] or ""
            attributes[attribute[1]] = _ENTITY.sub(lambda one: _ENTITIES[one[0]], value)
        self._at = end.end()
        if not self._open:
            self._begun = name, attributes, self._at
        if end[1]:
            if not self._open:
                self._add(self._at)
        else:
            self._open.append(name.lower())
            self._count[name.lower()] += 1
        if self._open and self._open[-1] in FIRST_LINE_FREE:
            self._at += self._text.startswith("\n", self._at)
        return True

    def _skip(self) -> None:
        """Go on to the next that looks like a tag; to the last `<` if none does."""
        at = self._text.find("<", self._at)
        if at < 0:  # what has no end ends here, before the last words
            return
        while not self._looks_like_tag(at):
            following = self._text.find("<", at + 1)
            if following < 0:
                break
            at = following
        self._at = at

    def _looks_like_tag(self, at: int) -> bool:
        text = self._text
        return bool(
            _OPENS.match(text, at)
            or _CLOSES.match(text, at, self._last)
            or text.startswith(("<!--", "<!["), at)
        )

    def _end(self, name: str, at: int) -> None:
        if not self._count[name]:
            return  # it closes nothing
        place = len(self._open) - 1
        while self._open[place] != name:
            place -= 1
        self._close(place, at)

    def _close(self, place: int, at: int) -> None:
        """All that is open from a place on ends there."""
        for name in self._open[place:]:
            self._count[name] -= 1
        del self._open[place:]
        if not self._open:
            self._add(at)

    def _add(self, end: int) -> None:
        if self._begun is not None:
            name, attributes, start = self._begun
            self._line += self._text.count("\n", self._counted, start)
            self._counted = start
            content = without_indentation(self._text[start:end])
            self._blocks.append(Block(name, attributes, content, self._line))
            self._begun = None


def without_indentation(text: str) -> str:
    """The text without the spaces, or the tabs, that all its lines begin with.

    One whose first words are not indented stays as it is.
    """
    if text[:1] not in _SPACES:
        return text
    lines = _LINE_END.split(text)
    words = [line for line in lines if line.strip(_SPACES)]
    if not words:
        return "\n" * (len(lines) - 1)
    kind = words[0][0]
    if kind not in " \t":
        return text
    least = min(len(line) - len(line.lstrip(kind)) for line in words)
    return "\n".join(line[least:] for line in lines)
