"""Script: recorded runs as a Python program that does the same without a window. Pure."""

from __future__ import annotations

import builtins
import keyword
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from opsin import __version__
from opsin.errors import UsageError
from opsin.host.step import Step, Taken, needed
from opsin.images.crop import Cut
from opsin.plugins.manifest import Scalar

TAKEN = frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "opsin", "process", "sys"})
"""Names that variables must not have."""
KINDS = {"image": "result", "labels": "labels", "table": "table", "points": "points"}
"""What results are called that have no better name."""


def script(steps: Sequence[Step], wanted: Sequence[str]) -> str:
    """A program that repeats runs.

    Args:
        steps: all that are known, in the order in which they were made.
        wanted: the ids of those whose results are wanted; what these took from others is made too.

    Raises:
        UsageError: they cannot be repeated; the message says which, and why.
    """
    chosen = needed(steps, wanted)
    if not chosen:
        raise UsageError("There is no run to be written: run something first.")
    for step in chosen:
        if step.state != "done":
            raise UsageError(f"{step.title} came to nothing, so it cannot be repeated.")
        for name, one in step.inputs.items():
            if not one.address:
                reason = one.lost or f"{one.layer} is in no file"
                raise UsageError(f"{step.title} cannot be repeated: {reason} ({name}).")
    return _Writer(chosen).text()


@dataclass(eq=False)
class _Writer:
    """Puts the lines together."""

    steps: Sequence[Step]
    _names: set[str] = field(default_factory=lambda: set(TAKEN))
    _functions: dict[tuple[str, str, tuple[str, ...]], str] = field(default_factory=dict)
    _images: dict[tuple[str, int, str | None], str] = field(default_factory=dict)
    _results: dict[str, str] = field(default_factory=dict)
    """Variables of results by their paths."""
    _parts: dict[str, str] = field(default_factory=dict)
    """Variables of parts by what makes them."""

    def text(self) -> str:
        """The program."""
        loads = [self._load(step) for step in self.steps]
        made = {given.path for step in self.steps for given in step.outputs}
        outside = [
            one for step in self.steps for one in step.inputs.values() if one.address not in made
        ]
        for one in outside:
            self._image(one, alone=len({_key(other) for other in outside}) == 1)
        body = [line for step in self.steps for line in self._call(step)]
        given = ", ".join(self._images.values())
        results = ", ".join(f'"{name}": {name}' for name in self._results.values())
        opened = "".join(f"        {_address(key)},\n" for key in self._images)
        lines = [
            f'"""{self._title()}',
            "",
            f"Recorded by Opsin {__version__} on {time.strftime('%Y-%m-%d', time.localtime())}.",
            "",
            "    python THIS.py                          the same images again",
            *self._folder_usage(),
            '"""',
            "",
            "import opsin",
            "",
            *dict.fromkeys(line for load in loads for line in load),
            "",
            "",
            f"def process({given}):",
            *(f"    {line}" for line in body),
            f"    return {{{results}}}",
            "",
            "",
            'if __name__ == "__main__":',
            "    opsin.batch(",
            "        process,",
            f"{opened}    )",
        ]
        return "\n".join(lines) + "\n"

    def _title(self) -> str:
        names = list(dict.fromkeys(step.operation for step in self.steps))
        return f"{', then '.join(names)}."

    def _folder_usage(self) -> list[str]:
        names = list(self._images.values())
        if not names:
            return ["    python THIS.py --out RESULTS"]
        if len(names) == 1:
            return [
                "    python THIS.py FOLDER --out RESULTS     every image in a folder",
                "    python THIS.py A.tif B.tif --out RESULTS",
            ]
        files = " ".join(name.upper() for name in names)
        return [f"    python THIS.py {files} --out RESULTS"]

    def _load(self, step: Step) -> list[str]:
        key = (step.plugin, step.operation, step.once)
        if key in self._functions:
            return []
        name = self._functions[key] = self._free(step.operation)
        version = f" {step.version}" if step.version != "0" else ""
        allow = f", allow=[{', '.join(map(_quoted, step.once))}]" if step.once else ""
        kept = [word for word in step.permissions if word not in step.once]
        allowed = f"; it was allowed {' '.join(', '.join(kept).split())}" if kept else ""
        with_what = f", with {', '.join(step.packages)}" if 0 < len(step.packages) < 8 else ""
        return [
            f"# {step.name}{version}, sha256 {step.digest[:12]}{with_what}{allowed}",
            f"{name} = opsin.load({_quoted(step.plugin)}{allow}).{step.operation}",
        ]

    def _image(self, one: Taken, alone: bool) -> str:
        key = _key(one)
        if key not in self._images:
            # Not of the file: what was only in memory is kept under its checksum.
            image = one.layer.rpartition(" · ")[2]
            self._images[key] = self._free("image" if alone else _slug(image) or "image")
        return self._images[key]

    def _call(self, step: Step) -> list[str]:
        lines: list[str] = []
        arguments: list[str] = []
        for number, (name, one) in enumerate(step.inputs.items()):
            variable = self._results.get(one.address) or self._images[_key(one)]
            if not one.is_whole:
                variable = self._part(variable, one, lines)
            arguments.append(variable if number == 0 else f"{name}={variable}")
        arguments += [f"{name}={_value(step.parameters[name])}" for name in step.changed]
        if step.axes:
            arguments.append(f"axes={_quoted(step.axes)}")
        targets = []
        for given in step.outputs:
            name = KINDS.get(given.kind, given.kind)
            if given.kind == "image" or (given.kind != "labels" and len(step.outputs) == 1):
                name = f"{_slug(step.operation)}_{name}" if given.kind == "image" else name
            self._results[given.path] = self._free(name)
            targets.append(self._results[given.path])
        function = self._functions[step.plugin, step.operation, step.once]
        lines.append(f"{', '.join(targets)} = {function}({', '.join(arguments)})")
        return lines

    def _part(self, variable: str, one: Taken, lines: list[str]) -> str:
        words = [f"level={one.level}"] if one.level else []
        words += [f"{axis}={_cut(cut)}" for axis, cut in one.cut.items()]
        made = f"opsin.crop({variable}, {', '.join(words)})"
        if made not in self._parts:
            self._parts[made] = self._free(f"part_of_{variable}")
            lines.append(f"{self._parts[made]} = {made}")
        return self._parts[made]

    def _free(self, name: str) -> str:
        """The name, with a number if it is taken already."""
        number, free = 1, name
        while free in self._names:
            number += 1
            free = f"{name}_{number}"
        self._names.add(free)
        return free


def _key(one: Taken) -> tuple[str, int, str | None]:
    return (one.address, one.number, one.kind)


def _address(key: tuple[str, int, str | None]) -> str:
    """How `opsin.batch` is told which image."""
    address, number, kind = key
    if number == 0 and kind is None:
        return _quoted(address)
    return f"dict(address={_quoted(address)}, number={number}, kind={kind!r})"


def _quoted(text: str) -> str:
    """A text as Python writes it, with the quotes that most people choose."""
    plain = repr(text)
    return plain if '"' in text or not plain.startswith("'") else f'"{plain[1:-1]}"'


def _value(value: Scalar) -> str:
    return _quoted(value) if isinstance(value, str) else repr(value)


def _cut(cut: Cut) -> str:
    return repr(cut) if isinstance(cut, int) else f"({cut[0]}, {cut[1]})"


def _slug(text: str) -> str:
    """A name for a variable; '' if nothing of it can be one."""
    return re.sub(r"\W+", "_", text.lower(), flags=re.ASCII).strip("_").lstrip("0123456789_")
