"""What is broken says so, in the terminal and in the browser; the rest goes on."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from opsin.images.memory import image_from_array
from opsin.images.write import write_image
from tests.end_to_end.app import App
from tests.server.running import OPSIN, opsin_view

GOOD = Path(__file__).parents[1] / "data/nuclei/test/images/000.png"


@pytest.fixture
def zarr(tmp_path: Path) -> Path:
    """1500 × 1500 pixels in chunks of 512, two levels; no pixel is below 100."""
    values = np.random.default_rng(2).integers(100, 255, (1500, 1500), dtype=np.uint8)
    write_image(image_from_array(values, axes="yx", name="noise"), tmp_path / "noise.ome.zarr")
    return tmp_path / "noise.ome.zarr"


def chunk_file(zarr: Path, level: int, row: int, column: int) -> Path:
    path = zarr / str(level) / "c" / str(row) / str(column)
    assert path.is_file()
    return path


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; `broken` says which paths are answered with 500."""

    broken: Callable[[str], bool] = staticmethod(lambda path: False)

    def do_GET(self) -> None:
        if type(self).broken(self.path):
            self.send_error(500)
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def http_folder(
    folder: Path, broken: Callable[[str], bool], port: int = 0
) -> Iterator[tuple[str, type[Quiet]]]:
    handler = type("Handler", (Quiet,), {"broken": staticmethod(broken)})
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", port), functools.partial(handler, directory=str(folder))
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", handler
        server.shutdown()
        thread.join()


def opsin(*arguments: object) -> tuple[int, str]:
    done = subprocess.run(
        [str(OPSIN), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def bad(request: pytest.FixtureRequest, tmp_path: Path, zarr: Path) -> Iterator[tuple[str, str]]:
    """A path that cannot be opened, and a word that the message about it has."""
    match request.param:
        case "missing":
            yield str(tmp_path / "not-there.tif"), "not-there.tif"
        case "text":
            (tmp_path / "notes.tif").write_text("these are only notes\n")
            yield str(tmp_path / "notes.tif"), "notes.tif"
        case "empty":
            (tmp_path / "empty.png").touch()
            yield str(tmp_path / "empty.png"), "empty.png"
        case "folder":
            (tmp_path / "nothing").mkdir()
            yield str(tmp_path / "nothing"), "nothing"
        case "no levels":
            for level in zarr.glob("[0-9]"):
                shutil.rmtree(level)
            yield str(zarr), "noise"
        case "server error":
            with http_folder(tmp_path, lambda path: True) as (address, _):
                yield f"{address}/noise.ome.zarr", "500"


BAD = pytest.mark.parametrize(
    "bad", ["missing", "text", "empty", "folder", "no levels", "server error"], indirect=True
)


@BAD
def test_the_terminal_says_what_cannot_be_opened(bad: tuple[str, str], tmp_path: Path) -> None:
    path, word = bad
    for command in (
        ["info", path],
        ["info", "--json", path],
        ["snapshot", path, tmp_path / "out.png"],
        ["view", "--no-browser", path],
    ):
        status, text = opsin(*command)
        assert status == 1, (command, text)
        assert word in text
        assert len(text.strip().splitlines()) == 1, text
    assert not (tmp_path / "out.png").exists()


@BAD
def test_the_browser_says_what_could_not_be_opened_and_shows_the_rest(
    app: App, bad: tuple[str, str]
) -> None:
    path, word = bad
    with opsin_view([GOOD, path]) as server:
        app.open(server)
        assert word in server.text
        assert app.page.get_by_role("alert").filter(has_text=word).count() >= 1
        assert len(app.scene["layers"]) == 1
        assert app.capture().max() > 20


def test_a_missing_level_is_left_out_with_a_word(app: App, zarr: Path) -> None:
    shutil.rmtree(zarr / "1")
    with opsin_view([zarr]) as server:
        app.open(server)
        for text in (server.text, app.page.inner_text("body")):
            assert "noise" in text
            assert "missing" in text
        assert app.capture().max() > 90


def test_a_truncated_chunk_is_marked_as_failed_and_never_drawn_as_data(
    app: App, zarr: Path
) -> None:
    truncate(chunk_file(zarr, 0, 1, 1))
    with opsin_view([zarr]) as server:
        app.open(server, bare="", clear="ff00ff")
        app.watch()
        (layer,) = app.scene["layers"]
        app.set_layer(layer["id"], contrast=[0, 255], colormap="gray")
        app.look(center=[512.0, 512.0], zoom=1.0)
        app.until("window.stats?.failed === 1")
        (failure,) = app.page.evaluate("window.failures")
        assert failure["level"] == 0
        assert "0/c/1/1" in failure["reason"], "it names the chunk"
        picture = app.capture()
        height, width = picture.shape[:2]
        good = picture[: height // 2 - 2, : width // 2 - 2]
        assert good.min() >= 99, "its neighbours are data"
        marked = picture[height // 2 + 2 :, width // 2 + 2 :].astype(int)
        assert not (marked == [255, 0, 255]).all(axis=2).any(), "nor is it blank"
        coarse = marked.max(axis=2) - marked.min(axis=2)
        assert coarse.max() > 20, "the mark has a colour, which grey data has not"
        app.page.goto("about:blank")  # else it asks where the server is, while the next one starts
    with opsin_view([zarr]) as server:
        app.open(server)
        app.look(center=[512.0, 512.0], zoom=1.0)
        app.until("document.body.innerText.toLowerCase().includes('1 brick failed')", 10)


def test_what_comes_slowly_is_said_to_be_opening(app: App, tmp_path: Path) -> None:
    values = np.random.default_rng(2).integers(0, 900, (300, 300), dtype=np.uint16)
    write_image(image_from_array(values, name="slow"), tmp_path / "slow.ome.zarr")
    come = threading.Event()

    def held_back(path: str) -> bool:
        return "/c/" in path and not come.wait(60)

    with (
        http_folder(tmp_path, held_back) as (address, _),
        opsin_view([f"{address}/slow.ome.zarr"]) as server,
    ):
        app.visit(server.address)
        app.until("window.opsin?.viewer?.scene && document.body.innerText.includes('Connected')")
        said = app.page.inner_text("body")
        come.set()
        assert "Opening" in said
        assert "Nothing is open" not in said
        app.ready()
        assert "Opening" not in app.page.inner_text("body")


def test_a_server_that_fails_later_is_tried_again(app: App, zarr: Path) -> None:
    broken = True
    with (
        http_folder(zarr.parent, lambda path: broken and "/0/c/" in path) as (address, _),
        opsin_view([f"{address}/{zarr.name}"]) as server,
    ):
        app.open(server)
        app.watch()
        app.page.evaluate("window.opsin.viewer.setCamera({center: [700, 700], zoom: 1})")
        app.until("window.stats?.failed > 0", 30)
        app.settle()
        assert app.capture().min() > 30, "the coarse level is still there"
        assert "500" in app.page.inner_text("body")
        broken = False
        app.page.get_by_role("button", name="Retry").first.click()
        app.until("window.stats.failed === 0 && window.stats.settled", 30)


def test_a_source_that_dies_while_one_looks_is_told_and_found_again(app: App, zarr: Path) -> None:
    with ExitStack() as stack, ExitStack() as source:
        address, _ = source.enter_context(http_folder(zarr.parent, lambda path: False))
        server = stack.enter_context(opsin_view([f"{address}/{zarr.name}"], "--disk-cache", "off"))
        app.open(server)
        app.watch()
        source.close()
        app.page.evaluate("window.opsin.viewer.setCamera({center: [699.5, 699.5], zoom: 1})")
        app.until("window.stats?.failed > 0", 30)
        app.settle()
        assert app.capture().min() > 30, "the coarse level is still there"
        alert = app.page.get_by_role("alert")
        assert f"{address}/{zarr.name}/0/c/1/1 did not answer" in alert.first.inner_text()
        stack.enter_context(http_folder(zarr.parent, lambda path: False, port_of(address)))
        app.page.get_by_role("button", name="Retry").first.click()
        app.until("window.stats.failed === 0 && window.stats.settled", 30)
        assert alert.count() == 0
        picture = app.capture()
        assert picture.min() >= 99, "data, and nothing but data"
        assert len(np.unique(picture)) > 150, "of the finest level"


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])
