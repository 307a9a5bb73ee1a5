"""The pages tell the truth: what they show is run, and what they list is complete."""

from __future__ import annotations

import ast
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from opsin.cli import _parser
from opsin.images.description import describe
from opsin.images.memory import image_from_array
from opsin.images.readers import open_images
from tests.ports import free_port
from tests.server.running import opsin_serve, opsin_view

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if ROOT / "docs" / "decisions" not in path.parents
}
SHELL = {"", "sh", "console"}
WITH_SERVERS = "docs/guides/rpc.md"
"""Its blocks are run by tests/rpc/test_guide.py, with the servers that they call."""
SERVED = "docs/guides/sharing.md"
"""Its Python is run by tests/server/test_guide.py, with the server that it reads from."""
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))

STAND_INS = {
    "experiment.ome.tif": "cells.tif",
    "huge.tif": "volume.tif",
    "cells.png": "nuclei.png",
    "plate.ome.zarr": "demo.ome.zarr",
    ".cache/demo.ome.zarr": "demo.ome.zarr",
    "bright.ome.zarr": "demo.ome.zarr",
}
"""What `opsin view` opens where a page names a file that a reader would have."""


@dataclass(frozen=True)
class Block:
    """What stands between two fences of a page."""

    page: str
    line: int
    kind: str
    text: str
    name: str = ""
    """Of the file that it is, if it is one: ```python server.py"""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One line of a shell block, without its prompt and comment."""

    place: str
    environment: dict[str, str]
    words: tuple[str, ...]


@cache
def blocks(page: str) -> tuple[Block, ...]:
    found = []
    text = PAGES[page].read_text()
    fence = re.compile(r"^```(\w*) *([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for match in fence.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page, line, match[1], match[3], match[2]))
    return tuple(found)


def all_blocks(*kinds: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.kind in kinds]


def commands(block: Block) -> Iterator[Command]:
    """The commands of a block; a line without one is a comment or, in `console`, an answer."""
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        if block.kind == "console":
            if not line.startswith("$ "):
                continue
            line = line.removeprefix("$ ")
        words = shlex.split(line, comments=True)
        environment = {}
        while words and (match := re.fullmatch(r"([A-Z_]+)=(.*)", words[0])):
            environment[match[1]] = match[2]
            words.pop(0)
        if words:
            words[0] = words[0].removeprefix(".venv/bin/")
            yield Command(f"{block.page}:{number}", environment, tuple(words))


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run lines of bash in which `opsin` and `python` are those of this environment."""
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module", autouse=True)
def _own_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the pages have verified is not so for other tests: its results would be kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPSIN_DATA", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample files, made as docs/README.md says, in what looks like a checkout."""
    folder = tmp_path_factory.mktemp("samples")
    for name in ("examples", "tests"):
        (folder / name).symlink_to(ROOT / name)
    (block,) = (block for block in blocks("docs/README.md") if block.kind == "sh")
    done = run(f"set -e\n{block.text}", folder)
    assert done.returncode == 0, done.stdout
    made = {path.name for path in folder.iterdir() if not path.is_symlink()}
    assert made == {"cells.tif", "nuclei.png", "mask.png", "volume.tif", "demo.ome.zarr"}
    return folder


@pytest.fixture
def desk(samples: Path, tmp_path: Path) -> Path:
    """A folder of one's own with the sample files in it."""
    for path in samples.iterdir():
        if path.is_file() and not path.is_symlink():
            shutil.copy(path, tmp_path)
        else:
            (tmp_path / path.name).symlink_to(path)
    return tmp_path


# ------------------------------------------------------------------------------ what is run


def test_there_is_something_to_test() -> None:
    guides = [page for page in PAGES if page.startswith("docs/guides/")]
    assert len(guides) >= 5
    assert {page for page in PAGES if page.startswith("docs/concepts/")}
    kinds = {block.kind for page in PAGES for block in blocks(page)}
    assert kinds <= SHELL | {"python", "text", "ts", "html"}, "a block that no test knows"
    files = {block.page for block in all_blocks("python", "ts") if block.name}
    assert files == {WITH_SERVERS}, "a file that no test runs"
    assert len(all_blocks("python")) >= 10
    assert len(all_blocks("console")) >= 5
    fences = sum(len(re.findall(r"^```", p.read_text(), re.MULTILINE)) for p in PAGES.values())
    assert fences == 2 * sum(len(blocks(page)) for page in PAGES), "a fence is not closed"


@pytest.mark.parametrize(
    "page",
    [
        page
        for page in PAGES
        if "```python" in PAGES[page].read_text() and page not in (WITH_SERVERS, SERVED)
    ],
)
def test_python_runs_and_gives_what_the_page_says(
    page: str, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk)
    run_python(page)


def run_python(page: str) -> None:
    """Behind an expression on a line of its own stands, as a comment, what it gives."""
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks(page):
        if block.kind != "python" or block.name:
            continue
        lines = block.text.splitlines()
        for statement in ast.parse(block.text, block.place).body:
            where = f"{page}:{block.line + statement.lineno}"
            _, _, said = lines[(statement.end_lineno or 0) - 1].partition("  # ")
            if isinstance(statement, ast.Expr) and said:
                code = compile(ast.Expression(statement.value), where, "eval")
                assert repr(eval(code, names)) == said.strip(), where
            else:
                exec(compile(ast.Module([statement], []), where, "exec"), names)


def test_consoles_answer_what_the_pages_say(desk: Path) -> None:
    consoles = all_blocks("console")

    def differences(block: Block) -> list[str]:
        # Each command, then a mark, then the status of the command for the next to see.
        parts = re.split(r"^\$ (.*)\n", block.text, flags=re.MULTILINE)
        assert parts[0] == "", f"{block.place} begins with an answer"
        asked, said = parts[1::2], parts[2::2]
        script = "\n".join(f"{one}\nstatus=$?; echo '<end>'; (exit $status)" for one in asked)
        done = run(script, desk)
        answers = done.stdout.split("<end>\n")[:-1]
        return [
            f"{block.place}: $ {command}\n{answer}"
            for command, answer, expected in zip(asked, answers, said, strict=True)
            if answer.rstrip() != expected.rstrip()
        ]

    with ThreadPoolExecutor(4) as pool:
        assert [one for found in pool.map(differences, consoles) for one in found] == []


def test_commands_of_the_pages_work(desk: Path) -> None:
    """All but `opsin view` and `serve` (below); what sets up a checkout is only looked up."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    def ran(block: Block, address: str) -> int:
        count = 0
        for command in commands(block):
            match command.words:
                case ("make", target):
                    assert target in targets, command.place
                case ("source", ".venv/bin/activate"):
                    pass
                case ("opsin", "view" | "serve", *_):
                    pass
                case ("opsin", *_) | ("python", _, *_):
                    done = run(shlex.join(from_here(command.words, address)), desk)
                    assert done.returncode == 0, f"{command.place}: {done.stdout}"
                    count += 1
                case _:
                    pytest.fail(f"{command.place}: no test knows {command.words}")
        return count

    shell = [block for block in all_blocks("", "sh") if block.page != "docs/README.md"]
    with served(desk) as address, ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(ran, shell, [address] * len(shell)))
    assert sum(counts) >= 8
    picture = imagecodecs.png_decode((desk / "detail.png").read_bytes())
    assert picture.shape == (600, 800, 3)
    assert picture.std() > 10


def test_views_of_the_pages_open(desk: Path) -> None:
    """Each set of options and kinds of paths is started once, and serves the app."""
    views = [command for block in all_blocks("", "sh") for command in commands(block)]
    views = [command for command in views if command.words[1:2] in (("view",), ("serve",))]
    pages = {view.place.rpartition(":")[0] for view in views}
    assert pages >= {"README.md", "docs/get-started.md", "docs/guides/command-line.md"}

    def opens(view: Command, address: str) -> None:
        words = [STAND_INS.get(w, w) for w in with_free_port(from_here(view.words, address))[2:]]
        words = [str(desk / word) if (desk / word).exists() else word for word in words]
        words = [word for word in words if word != "--no-browser"]  # opsin_view adds it
        start = opsin_view if view.words[1] == "view" else opsin_serve
        with start(words, environment=view.environment) as server:
            assert "opsin:" not in server.text, f"{view.place}: {server.text}"
            assert view.environment.get("OPSIN_TOKEN", server.token) == server.token
            headers = {"Authorization": f"Bearer {server.token}"}
            request = urllib.request.Request(server.origin + "/", headers=headers)
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert answer.status == 200

    distinct: dict[object, Command] = {}
    for view in views:
        options = _parser().parse_args(view.words[1:])  # wrong usage ends here
        paths: list[str] = options.paths
        remote = [bool(re.match("https?://", path)) for path in paths]
        computed = [path.startswith("synthetic:") for path in paths]
        for path, *elsewhere in zip(paths, remote, computed, strict=True):
            assert any(elsewhere) or (desk / STAND_INS.get(path, path)).exists(), (
                f"{view.place}: {path}"
            )
        flags = {word for word in view.words if word.startswith("-")}
        distinct.setdefault(
            (
                view.words[1],
                *sorted({*flags, *view.environment}),
                any(remote),
                any(computed),
                len(paths),
            ),
            view,
        )
    assert len(distinct) >= 6
    with served(desk) as address, ThreadPoolExecutor(4) as pool:
        list(pool.map(opens, distinct.values(), [address] * len(distinct)))


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_runs(
    example: str, samples: Path, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if example == "make_demo.py":  # made the samples
        image, labels = open_images(samples / "demo.ome.zarr")
        with image, labels:
            assert (image.shape, labels.kind) == ((2048, 2048), "labels")
        return
    assert example == "look_from_python.py", "say here how this example is run"
    main = runpy.run_path(str(ROOT / "examples" / example))["main"]
    for name, sides in (("cells.tif", (256, 256)), ("volume.tif", (61, 57))):
        out, picture = desk / f"{name}.ome.zarr", desk / f"{name}.png"
        assert main([str(desk / name), str(out), str(picture)]) == 0
        image, mask = open_images(out)
        with image, mask:
            assert image.shape == mask.shape == sides
            assert 0.02 < mask.read().mean() < 0.12
        assert imagecodecs.png_decode(picture.read_bytes()).shape == (256, 256, 3)
    assert main([str(desk / "cells.tif"), str(out), str(picture)]) == 1
    assert "exists already" in capsys.readouterr().err


# ------------------------------------------------------------------------------ what is complete


def test_the_table_of_keys_is_the_key_map() -> None:
    source = (ROOT / "web/src/ui/keymap.ts").read_text()
    entries = re.findall(r"written: \[([^\]]*)\],\s*description:\s*\"([^\"]*)\"", source)
    known = [(tuple(re.findall(r'"([^"]*)"', keys)), what) for keys, what in entries]
    bindings, gestures = source.split("export const GESTURES")
    assert len(known) == bindings.count("written: [") + gestures.count("{ written: [") >= 20
    page = PAGES["docs/guides/looking.md"].read_text()
    section = page.partition("\n## Keys\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*`) \| (.*) \|$", section, re.MULTILINE)
    shown = [(tuple(re.findall(r"`([^`]*)`", keys)), what) for keys, what in rows]
    assert sorted(shown) == sorted(known)


def test_every_option_stands_in_the_page_of_the_command_line() -> None:
    page = PAGES["docs/guides/command-line.md"].read_text()
    helped = run("opsin --help", ROOT).stdout
    names = re.findall(r"^ {4}([a-z]+) {2,}", helped, re.MULTILINE)
    assert {"view", "info", "snapshot"} <= set(names)
    for option in re.findall(r"--[a-z-]+", helped):
        assert f"`opsin {option}`" in page
    for name in names:
        section = page.partition(f"\n## opsin {name}\n")[2].partition("\n## ")[0]
        assert section, f"opsin {name} has no section"
        said = run(f"opsin {name} --help", ROOT).stdout
        actions = re.findall(r"^ {4}([a-z]+) {2,}", said, re.MULTILINE)
        helps = [said, *(run(f"opsin {name} {action} --help", ROOT).stdout for action in actions)]
        listed = "".join(said.partition("options:")[2] for said in helps)
        options = set(re.findall(r"--[a-z-]+(?: [A-Z][A-Za-z,]*)?", listed)) - {"--help"}
        assert options
        in_tables = set(re.findall(r"^\| `(--[^`]*)` \|", section, re.MULTILINE))
        assert in_tables == options, f"opsin {name}"


def test_every_key_of_the_json_and_every_variable_is_described() -> None:
    page = PAGES["docs/guides/command-line.md"].read_text()
    said = describe(image_from_array(np.zeros((2, 2))))
    keys = {*said, *said["levels"][0], *said["axes"][0]}
    assert [key for key in sorted(keys) if f"`{key}`" not in page] == []
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    variables = set(re.findall(r"\bOPSIN_[A-Z]+\b", source))
    assert variables
    assert [name for name in sorted(variables) if f"`{name}`" not in page] == []


def test_the_index_leads_to_every_page() -> None:
    index = PAGES["docs/README.md"].read_text()
    pages = [page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")]
    assert [page for page in pages if page != "README.md" and f"({page})" not in index] == []


def test_links_lead_to_headings_that_exist() -> None:
    found = 0
    for page, path in PAGES.items():
        for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", path.read_text()):
            text = (path.parent / target if target else path).read_text()
            headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in slugs, f"{page}: {target}#{anchor}"
            found += 1
    assert found


# ------------------------------------------------------------------------------ means


def from_here(words: tuple[str, ...], address: str) -> tuple[str, ...]:
    """The words, with a local server in place of the web."""

    def one(word: str) -> str:
        if not re.match(r"https?://", word):
            return word
        name = word.rpartition("/")[2]
        return f"{address}/{STAND_INS.get(name, name)}"

    return tuple(map(one, words))


def with_free_port(words: tuple[str, ...]) -> tuple[str, ...]:
    """A port that nobody has, where the page names one."""
    if "--port" not in words:
        return words
    place = words.index("--port") + 1
    return (*words[:place], str(free_port()), *words[place + 1 :])


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a plain http server of a folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
