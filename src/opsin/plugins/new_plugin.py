"""New plugin: a file to start from, which runs as it is: typed, a stub, or one of ImJoy's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, TypeAlias

from opsin.errors import PluginError, UsageError, WriteError
from opsin.option_values import PLUGIN_TEMPLATES

Template: TypeAlias = Literal[
    "filter",
    "labels",
    "points",
    "table",
    "stub",
    "window",
    "web-worker",
    "web-python",
    "native-python",
    "collection",
]
_HERE = Path(__file__).with_name("templates")
_NAME = '"My plugin"'
_FILE = re.compile(r"([A-Za-z_][\w-]*)(\.py|\.pyi|\.imjoy\.html)")


def write_new(path: Path, template: Template | None = None) -> None:
    """Write a plugin's file, called as the file is.

    Args:
        template: what its operation gives (an image, labels, points, or a table); what runs it, of
            an ImJoy file; or `stub`. None: the first whose files are named so.

    Raises:
        PluginError: that is no name for a plugin's file.
        UsageError: the files of that template are named otherwise.
        WriteError: there is such a file, or it cannot be written.
    """
    found = _FILE.fullmatch(path.name)
    if found is None:
        raise PluginError(
            f"{path.name[:80]!r} is no name for a plugin: use letters, digits, - and _, and .py at "
            "the end (.pyi for a stub, .imjoy.html for a plugin of ImJoy)."
        )
    stem, suffix = found.groups()
    chosen: str = template or next(one for one, ends in PLUGIN_TEMPLATES.items() if ends == suffix)
    if PLUGIN_TEMPLATES[chosen] != suffix:
        raise UsageError(
            f"The file of a {chosen} ends with {PLUGIN_TEMPLATES[chosen]}: call it {stem}"
            f"{PLUGIN_TEMPLATES[chosen]}, or choose another template."
        )
    name = " ".join(re.split(r"[_-]+", stem)).strip() or "My plugin"
    source = (_HERE / f"{chosen}{suffix}").read_text(encoding="utf-8")
    text = source.replace(_NAME, f'"{name[0].upper()}{name[1:]}"')
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise WriteError(f"{path} exists already: choose another name.") from None
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error.strerror or error}.") from error
