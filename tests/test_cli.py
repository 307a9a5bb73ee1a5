"""The command line: whatever is wrong, one sentence and the right exit status."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from opsin.cli import _parsed, main
from tests.server.running import OPSIN

IMAGE = str(Path(__file__).parent / "data/nuclei/test/images/000.png")
FULL = Path("/dev/full")


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([OPSIN, *arguments], capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("~nobody-of-that-name/x.tif", "There is nothing at ~nobody-of-that-name/x.tif."),
        ("http://[bad]/x.zarr", "http://[bad]/x.zarr cannot be read: it is no valid address."),
        ("http://127.0.0.1:99999/x.zarr", ":99999/x.zarr cannot be read: it is no valid address."),
        ("http://exa mple/x", "http://exa mple/x cannot be opened: http://exa mple is no valid"),
        ("file://relative.tif", "file://relative.tif cannot be read: give a local path"),
    ],
)
@pytest.mark.parametrize("command", ["info", "view", "snapshot"])
def test_an_address_that_makes_no_sense(
    command: str,
    address: str,
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    more = ["out.png"] if command == "snapshot" else []
    assert main([command, address, *more]) == 1
    out, problem = capsys.readouterr()
    assert out == ""
    assert problem.startswith("opsin: ")
    assert says in problem
    assert problem.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [
        ["--zoom", "0"],
        ["--zoom", "nan"],
        ["--zoom=-1"],
        ["--zoom", "inf"],
        ["--zoom", "1e308"],
        ["--zoom", "1e-320"],
        ["--zoom", "much"],
        ["--center", "nan,1"],
        ["--center", "1,inf"],
        ["--center", "1"],
        ["--position", "z=nan"],
        ["--position", "z=-inf"],
        ["--position", "z"],
        ["--position", "nothing=1"],
    ],
)
def test_a_view_that_is_nowhere_makes_no_picture(
    options: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    status: object
    try:
        status = main(["snapshot", IMAGE, str(out), *options])
    except SystemExit as way_out:  # argparse's own
        status = way_out.code
    assert status == 2
    assert capsys.readouterr().err.count("opsin") >= 1
    assert not out.exists()


def test_a_view_that_is_somewhere_does(tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    assert main(["snapshot", IMAGE, str(out), "--zoom", "2.5", "--center=-3,1e2"]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "arguments", [["info", IMAGE], ["info", "--json", IMAGE], ["view", IMAGE], ["--help"]]
)
def test_an_output_that_cannot_be_written(arguments: list[str]) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    with FULL.open("wb") as full:
        done = subprocess.run(
            [OPSIN, *arguments],
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    expected = b"opsin: The output cannot be written: No space left on device.\n"
    assert done.stderr == expected


def test_errors_that_cannot_be_written_either() -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(
            [OPSIN, "info", "/none"], stdout=full, stderr=full, timeout=60, check=False
        )
    assert done.returncode == 1


def test_a_reader_that_has_seen_enough() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [OPSIN, "info", IMAGE], stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_terminal_that_lacks_letters(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xc3\xa9\xff.png")
    path.write_bytes(Path(IMAGE).read_bytes())
    for encoding, name in (("ascii", b"??"), ("utf-8", "é\ufffd".encode())):
        done = subprocess.run(
            [OPSIN, "info", str(path)],
            env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "1"},
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(name + b"\n")


def test_help_and_wrong_usage() -> None:
    assert run("--help").returncode == 0
    wrong = run("look")
    assert wrong.returncode == 2
    assert b"Traceback" not in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["view", "a", "--port", "9", "b"], ["a", "b"]),
        (["view", "a", "--labels", "m", "b", "--no-browser", "c"], ["a", "b", "c"]),
        (["run", "f:o", "-o", "out", "a", "s=1"], ["a", "s=1"]),
        (["run", "f:o", "a", "-o", "out", "s=1"], ["a", "s=1"]),
        (["run", "f:o", "-o", "out"], []),
    ],
)
def test_words_may_stand_between_options(arguments: list[str], words: list[str]) -> None:
    options = _parsed(arguments)
    assert (options.paths if arguments[0] == "view" else options.words) == words


@pytest.mark.parametrize(
    "arguments",
    [["view", "a", "--mem", "b"], ["run", "f:o", "a", "-o", "b", "-x"], ["info", "a", "b"]],
)
def test_what_is_no_option_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "unrecognized arguments" in capsys.readouterr().err
