"""Write: a table of points as an index, which gets its name when it is complete."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opsin.errors import WriteError
from opsin.images.draft import draft_name, remove_dead_drafts
from opsin.images.points.building import SURVEYED, Building
from opsin.images.points.document import document_of
from opsin.images.points.index import DOCUMENT
from opsin.images.points.survey import survey
from opsin.images.points.table import open_table

Progress = Callable[[float], None]


def write_points(
    source: Any,
    path: str | Path,
    *,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    properties: Sequence[str] | None = None,
    scale: Mapping[str, float] | None = None,
    translation: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write points as an index, by which a few of them can stand for all.

    The folder gets its name only when it is complete. Rows that have no position (or an infinite
    one) are left out.

    Args:
        source: a Parquet file or a folder of them, a CSV file, or what pyarrow takes for a table:
            a dict of arrays, a DataFrame.
        path: a folder that does not exist yet, in one that does.
        name: of the points; by default that of the source.
        columns: which columns hold positions, by axis (t, z, y, x); by default they are found by
            name, see `opsin.images.points.columns`.
        properties: names of other columns to keep; by default all of numbers or words.
        scale: world units per unit of the table, by axis; 1 by default.
        translation: world position of 0, by axis; 0 by default.
        units: such as `micrometer`, by axis; by default what the columns' names say.
        overwrite: replace points at `path`, when all is written.
        progress: called with the part that is done, from 0 to 1.

    Raises:
        NotFound: there is nothing to read.
        Unsupported: it is no table, it has no positions, or pyarrow is missing.
        OpenError: it cannot be read, or it is empty.
        Corrupt: it is damaged.
        UsageError: columns that there are not, or a scale that makes no sense.
        WriteError: the path exists, or the disk does not take it.
    """
    table = open_table(source)
    target = Path(path).expanduser().absolute()
    _check_target(target, overwrite)
    told: Progress = progress or (lambda _: None)
    try:
        remove_dead_drafts(target.parent)
        found = survey(table, columns, properties, lambda part: told(SURVEYED * part))
        document = document_of(found, name or table.stem, scale, translation, units)
        with _draft(target) as draft:
            made = draft / "points"
            made.mkdir()
            Building(table, found, document, draft, made, told).run()
            _publish(made, target, overwrite)
    except OSError as error:
        raise WriteError(f"{target} cannot be written: {error.strerror or error}.") from error
    told(1.0)


def _check_target(target: Path, overwrite: bool) -> None:
    if not target.parent.is_dir():
        raise WriteError(f"{target.parent} is no folder: make it first.")
    if not (target.exists() or target.is_symlink()):
        return
    if not overwrite:
        raise WriteError(
            f"{target} exists already: choose another name, remove it first, or say that it may be "
            "overwritten."
        )
    if target.is_symlink() or not (target / DOCUMENT).is_file():
        raise WriteError(f"{target} holds no points, so it is not overwritten: remove it yourself.")


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """A folder to write in, which is gone at the end."""
    folder = target.with_name(draft_name(target.name))
    try:
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(made: Path, target: Path, overwrite: bool) -> None:
    """Give what was made its name."""
    if not (overwrite and target.exists()):
        made.rename(target)
        return
    old = target.with_name(draft_name(target.name))
    target.rename(old)
    try:
        made.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
