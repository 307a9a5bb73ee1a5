"""New plugin: a typed file to start from, which runs as it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from opsin.errors import PluginError, WriteError

Template: TypeAlias = Literal["filter", "labels", "points", "table"]
TEMPLATES: tuple[Template, ...] = get_args(Template)
_HERE = Path(__file__).with_name("templates")
_NAME = '# name = "My plugin"'


def write_new(path: Path, template: Template = "filter") -> None:
    """Write a plugin's file, called as the file is.

    Args:
        template: what its operation gives: an image, labels, points, or a table.

    Raises:
        PluginError: that is no name for a plugin's file.
        WriteError: there is such a file, or it cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z_][\w-]*\.py", path.name):
        raise PluginError(
            f"{path.name[:80]!r} is no name for a plugin: use letters, digits, - and _, and .py at "
            "the end."
        )
    name = " ".join(re.split(r"[_-]+", path.stem)).strip() or "My plugin"
    source = (_HERE / f"{template}.py").read_text(encoding="utf-8")
    text = source.replace(_NAME, f'# name = "{name[0].upper()}{name[1:]}"')
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise WriteError(f"{path} exists already: choose another name.") from None
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error.strerror or error}.") from error
