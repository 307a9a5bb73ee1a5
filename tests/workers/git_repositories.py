"""Git repositories on this computer."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

WHO = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "trial"), ("EMAIL", "trial@localhost"))
}
NAME = "opsin-git-trial"
PACKAGE = {
    "pyproject.toml": (
        f'[project]\nname = "{NAME}"\nversion = "1.0"\n'
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    ),
    "opsin_git_trial.py": "VALUE = 7\n",
}


def repository(folder: Path, files: Mapping[str, str]) -> str:
    """A new one, with one commit of these files; its address."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "All"]):
        subprocess.run(["git", *words], cwd=folder, check=True, env=os.environ | WHO)
    return folder.as_uri()
