"""What must stay true of the tree as a whole. (Who imports whom: see `make check`.)"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pathspec
import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "tests" / "data"  # not ours: described by its own README
CODE = {".css", ".mjs", ".py", ".sh", ".ts", ".tsx"}


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the repository: what .gitignore does not name. (Works without git.)"""
    ignored = pathspec.GitIgnoreSpec.from_lines((ROOT / ".gitignore").read_text().splitlines())

    def walk(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            name = path.relative_to(ROOT).as_posix()
            if path.name == ".git" or ignored.match_file(name + "/" * path.is_dir()):
                continue
            if path.is_dir():
                yield from walk(path)
            else:
                yield path

    return tuple(walk(ROOT))


def own() -> Iterator[Path]:
    return (path for path in tracked() if DATA not in path.parents)


def texts() -> Iterator[tuple[str, str]]:
    """Name and content of every text file."""
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content:
            yield path.relative_to(ROOT).as_posix(), content.decode(errors="replace")


def pages() -> list[Path]:
    return [path for path in own() if path.suffix == ".md"]


def test_no_file_of_code_is_longer_than_600_lines() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines())
        for path in own()
        if path.suffix in CODE
    }
    assert {name: length for name, length in lengths.items() if length > 600} == {}


def test_every_folder_stands_in_the_architecture_page() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    folders = {
        folder.relative_to(ROOT)
        for path in own()
        for folder in path.parents[:-1]
        if folder != ROOT and ROOT in folder.parents
    }
    missing = []
    for folder in sorted(folders):
        mirrors = folder.parts[0] == "tests" and (ROOT / "src/opsin").joinpath(*folder.parts[1:])
        if mirrors and mirrors.is_dir():
            continue  # tests/ mirrors src/opsin/
        if not re.search(rf"(?<![\w.-]){re.escape(folder.name)}/", page):
            missing.append(folder.as_posix())
    assert missing == [], "ARCHITECTURE.md does not say what these folders are for"


def test_every_command_stands_in_the_docs() -> None:
    helped = subprocess.run(
        [Path(sys.executable).with_name("opsin"), "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    commands = {
        name for names in re.findall(r"\{([a-z,-]+)\}", helped) for name in names.split(",")
    }
    commands |= set(re.findall(r"^ {2,6}([a-z]+) {2,}\S", helped, re.MULTILINE))
    assert {"info", "snapshot", "view"} <= commands
    docs = "\n".join(path.read_text() for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
    assert [name for name in sorted(commands) if not re.search(rf"\bopsin {name}\b", docs)] == []


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in pages():
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
            if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_names_say_what_a_module_is() -> None:
    vague = {"common", "core", "helpers", "managers", "misc", "settings", "util", "utils"}
    parts = {part for path in own() for part in (*path.relative_to(ROOT).parts[:-1], path.stem)}
    assert parts & vague == set()


NPM = r"registry[.]npmjs|npmjs[.]org|registry[.]yarn"
NAMES_ITS_DEFAULT = {("src/opsin/host/imjoy/npm.py", NPM)}
"""npm's public registry, which npm itself uses where a computer is set to no other."""


@pytest.mark.parametrize(
    "pattern",
    [
        # Spelled so that this file does not name them.
        r"pypi\.(org|python)|python[h]osted",
        NPM,
        r"(?<![\w.$}])/(work|root)(/|\b)",
        r"(?<![\w.$}])/home/\w",
        r"\.\./[s]hared",
    ],
)
def test_no_file_names_a_registry_or_a_place_on_a_computer(pattern: str) -> None:
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts()
        if re.search(pattern, text)
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(pattern, line) and (name, pattern) not in NAMES_ITS_DEFAULT
        if name != "tests/test_architecture.py"
    ]
    assert found == []


@pytest.mark.parametrize(
    ("name", "source", "rule"),
    [
        ("viewer/a.ts", 'import "../ui/b";', "viewer-knows-no-ui"),
        ("viewer/a.ts", 'import { h } from "preact";\nh("p", null);', "viewer-knows-no-ui"),
        ("ui/a.tsx", 'import "../main";', "ui-knows-only-viewer"),
        ("ui/b.tsx", 'import "../viewer/c";', "no-cycles"),
        ("ui/a.tsx", 'import "./plugins/d";', "plugins-are-loaded-later"),
        ("ui/plugins/d.ts", 'import "../../main";', "plugins-run-in-the-page"),
    ],
)
def test_the_rules_of_the_web_imports_bite(
    tmp_path: Path, name: str, source: str, rule: str
) -> None:
    """dependency-cruiser calls it a success when it understands no file at all."""
    for config in ("package.json", "tsconfig.json", ".dependency-cruiser.mjs"):
        shutil.copy(ROOT / "web" / config, tmp_path)
    (tmp_path / "node_modules").symlink_to(ROOT / "web" / "node_modules")
    files = {
        "main.tsx": 'import "./ui/b";\n',
        "ui/b.tsx": "export {};\n",
        "viewer/c.ts": 'import type {} from "../ui/b";\n'
        if rule == "no-cycles"
        else "export {};\n",
        "ui/plugins/d.ts": "export {};\n",
        name: source,
    }
    for path, content in files.items():
        (tmp_path / "src" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / path).write_text(content)
    node = Path(sys.executable).with_name("node")
    cruise = "node_modules/.bin/depcruise"
    done = subprocess.run(
        [node, cruise, "--config", ".dependency-cruiser.mjs", "src"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert rule in done.stdout
