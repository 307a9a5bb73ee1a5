"""Install failures, as the real uv tells of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsin.errors import EnvironmentFailed
from opsin.workers.install_failure import TOLD, InstallFailure, explained
from opsin.workers.uv import run_uv

COMPILE = ("pip", "compile", "-", "--quiet", "--no-header")
NOWHERE = "http://127.0.0.1:9/simple"


def failed(*wanted: str, options: tuple[str, ...] = ()) -> InstallFailure:
    """What uv says of requirements that cannot be had."""
    lines: list[str] = []

    async def resolve() -> None:
        await run_uv((*COMPILE, *options), lines.append, text="\n".join(wanted))

    with pytest.raises(EnvironmentFailed):
        asyncio.run(resolve())
    assert lines
    return explained(lines, wanted)


@pytest.mark.parametrize(
    ("wanted", "package", "reason", "fix"),
    [
        (("six==99.0",), "six", "there is no version ==99.0 of six", "that exists"),
        (
            ("numpy", "surely-not-a-package-of-anybody"),
            "surely-not-a-package-of-anybody",
            "there is no package called surely-not-a-package-of-anybody",
            "spelt",
        ),
        (
            ("numpy<1.24", "scikit-image>=0.25"),
            "scikit-image",
            "numpy<1.24 and scikit-image>=0.25 do not go together",
            "other versions",
        ),
    ],
)
def test_what_cannot_be_resolved(
    wanted: tuple[str, ...], package: str, reason: str, fix: str
) -> None:
    failure = failed(*wanted)
    assert failure.package == package
    assert reason in failure.reason
    assert fix in failure.fix
    first, *said = failure.sentence.splitlines()
    assert first.startswith("The plugin's packages cannot be installed: ")
    assert said == list(failure.said)


def test_a_python_that_is_too_old_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nname = 'future'\nversion = '1'\nrequires-python = '>=4'\n"
        "[build-system]\nrequires = []\nbuild-backend = 'none'\n"
    )
    failure = failed(f"future @ file://{tmp_path}", "numpy")
    assert "4" in failure.sentence
    assert "Python" in failure.sentence


def test_no_network(tmp_path: Path) -> None:
    options = ("--cache-dir", str(tmp_path), "--offline")
    failure = failed("six", options=options)
    assert (failure.package, "network is switched off" in failure.reason) == ("six", True)


def test_an_index_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    options = ("--cache-dir", str(tmp_path), "--default-index", NOWHERE)
    failure = failed("six", options=options)
    assert failure.package == "six"
    assert "refuses the connection" in failure.reason
    assert "opsin envs sources" in failure.fix


def test_what_cannot_be_built(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'broken'\nbackend-path = ['.']\n"
    )
    (tmp_path / "broken.py").write_text("raise RuntimeError('no compiler')")
    failure = failed(f"sprocket @ file://{tmp_path}")
    assert failure.package == "sprocket"
    assert "building it from its source failed" in failure.reason
    assert any("no compiler" in line for line in failure.said), failure.said


@pytest.mark.parametrize(
    ("line", "package", "reason"),
    [
        ("Hash mismatch for `six==1.16.0`", "six", "somebody may have tampered with it"),
        ("failed to copy: No space left on device (os error 28)", "", "the disk is full"),
    ],
)
def test_rare_ones_by_what_uv_printed_once(line: str, package: str, reason: str) -> None:
    failure = explained(["error: Failed to install", f"  cause: {line}"])
    assert (failure.package, reason in failure.reason) == (package, True)


def test_lines_that_are_broken_are_read_as_one() -> None:
    lines = ["error: No solution", "  cause: Because there is no version of", "         six==99.0"]
    failure = explained(lines)
    assert (failure.package, failure.reason) == ("six", "there is no version ==99.0 of six")


@given(st.lists(st.text(max_size=60), max_size=40), st.lists(st.text(max_size=20), max_size=4))
def test_any_text_gives_a_sentence(lines: list[str], wanted: list[str]) -> None:
    failure = explained(lines, wanted)
    assert failure.sentence.startswith("The plugin's packages cannot be installed: ")
    assert len(failure.said) <= TOLD


@pytest.mark.parametrize(
    ("file", "wanted", "package"),
    [
        ("one_two-1.0-py3-none-any.whl", "One.two>=1", "One.two"),
        ("one-two-1.0.tar.gz", "one-two", "one-two"),
        ("other-2.whl", "one", "other"),
        ("simple/?page=2", "one", "a package"),
    ],
)
def test_a_file_that_is_not_there(file: str, wanted: str, package: str) -> None:
    lines = [f"error: Failed to fetch: http://127.0.0.1:9/{file}", "  cause: (404 Not Found)"]
    reason = explained(lines, [wanted]).reason
    assert reason == f"{package} cannot be fetched, as its server does not have it"
