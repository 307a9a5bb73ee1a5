"""The wheel, installed where there is neither Node nor this checkout, serves the app."""

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[1]
IMAGE = ROOT / "tests" / "data" / "nuclei" / "test" / "images" / "000.png"
PATIENCE = 60.0  # seconds for a first start, which compiles every module


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh environment with the wheel and its locked dependencies."""
    environment = tmp_path_factory.mktemp("clean") / "venv"
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    install: list[str | Path] = [uv, "pip", "install", "--quiet", "--python", environment]
    locked: list[str | Path] = [
        "--no-deps",
        "--require-hashes",
        "-r",
        ROOT / "requirements" / "runtime.txt",
    ]
    # From uv's cache when everything is in it, as it is after `make setup`.
    offline = subprocess.run([*install, "--offline", *locked], check=False, capture_output=True)
    if offline.returncode != 0:
        subprocess.run([*install, *locked], check=True)
    subprocess.run([*install, "--offline", "--no-deps", wheel], check=True)
    return environment / "bin"


@pytest.fixture
def server(installed: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment = {**kept, "PATH": str(installed)}
    assert shutil.which("node", path=environment["PATH"]) is None
    with subprocess.Popen(
        [installed / "opsin", "view", IMAGE, "--no-browser", "--port", "0"],
        cwd=tmp_path, env=environment, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        yield process
        process.kill()


def test_it_holds_the_built_app(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "opsin/server/static/index.html" in names
    assert any(re.fullmatch(r"opsin/server/static/assets/.*\.js", name) for name in names)
    assert not any(name.startswith(("tests/", "web/")) for name in names)


def test_it_is_not_built_without_the_app(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "hatch_build.py", "LICENSE", "README.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, tmp_path)
    package = tmp_path / "src" / "opsin"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "make setup" in done.stdout + done.stderr


def test_it_serves_the_app_and_stops_when_told(server: subprocess.Popen[str]) -> None:
    lines: queue.Queue[str] = queue.Queue()
    said: list[str] = []

    def listen() -> None:
        assert server.stdout is not None
        for line in server.stdout:
            said.append(line)
            lines.put(line)
        lines.put("")

    listener = threading.Thread(target=listen)
    listener.start()
    url = None
    while url is None:
        line = lines.get(timeout=PATIENCE)
        assert line, f"it ended without printing its address:\n{''.join(said)}"
        url = re.search(r"http://127\.0\.0\.1:\d+/\?token=[\w-]+", line)

    with httpx.Client(follow_redirects=True, trust_env=False, timeout=PATIENCE) as client:
        client.get(url.group()).raise_for_status()  # turns the token into a cookie
        page = client.get(urljoin(url.group(), "/"))
        assert page.status_code == 200
        assert "text/html" in page.headers["content-type"]
        script = re.search(r'<script[^>]* src="([^"]+)"', page.text)
        assert script is not None
        asset = client.get(urljoin(str(page.url), script.group(1)))
        assert asset.status_code == 200
        assert "javascript" in asset.headers["content-type"]

    server.send_signal(signal.SIGINT)
    assert server.wait(timeout=PATIENCE) == 0, "".join(said)
    listener.join(timeout=PATIENCE)
    assert "Traceback" not in "".join(said)
