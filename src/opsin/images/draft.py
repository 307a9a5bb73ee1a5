"""Draft: what is being written, under a name of its own, and what killed processes left of it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import uuid
from contextlib import suppress
from pathlib import Path


def draft_name(name: str) -> str:
    """What is being written is called so. It says who writes, so that others can clear up."""
    return f".{name}.{uuid.uuid4().hex[:8]}.{platform.node()}.{os.getpid()}.part"


def remove_dead_drafts(folder: Path) -> None:
    """Remove what processes of this computer that were killed left half written in a folder."""
    ours = re.compile(rf"\..+\.[0-9a-f]{{8}}\.{re.escape(platform.node())}\.([0-9]{{1,9}})\.part")
    for draft in folder.glob(".*.part"):
        named = ours.fullmatch(draft.name)
        if named is None or int(named[1]) == os.getpid() or is_alive(int(named[1])):
            continue
        if draft.is_dir() and not draft.is_symlink():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            with suppress(OSError):
                draft.unlink()


def is_alive(process: int) -> bool:
    """Whether a process of this computer runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
