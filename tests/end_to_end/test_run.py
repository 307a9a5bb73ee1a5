"""Running a plugin on the image that one looks at, in the browser."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest
from playwright.sync_api import expect

from opsin.images.memory import image_from_array
from opsin.images.readers import open_image
from opsin.images.write import write_image
from tests.end_to_end.app import App
from tests.end_to_end.panel import Panel
from tests.end_to_end.pss import sampled
from tests.server.running import Running, opsin_view
from tests.workers.processes import workers_of

ROOT = Path(__file__).parents[2]
NUCLEI = ROOT / "examples/plugins/nuclei.py"
MIB = 2**20

BAD = '''
import time

from opsin.types import Image, Labels, progress


def slow(image: Image) -> Labels:
    """Takes its time."""
    for _ in progress(range(100_000), description="waiting"):
        time.sleep(0.01)
    return (image > 0).astype("int32")


def fails(image: Image, reason: str = "no reason") -> Labels:
    """Raises an error."""
    print("about to fail")
    raise ValueError(reason)
'''


@pytest.fixture(scope="session")
def real(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4096 × 4096 pixels of the demo image, with a scale and a place of their own."""
    path = tmp_path_factory.mktemp("real") / "real.ome.zarr"
    with open_image(demo) as image:
        pixels = image.read(0, (slice(4096, 8192), slice(4096, 8192)))
    made = image_from_array(
        pixels, name="real", scale=(0.5, 0.5), translation=(30.0, 70.0), units=("micrometer",) * 2
    )
    write_image(made, path)
    return path


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.py"
    path.write_text(BAD)
    return path


def direct(pixels: np.ndarray[Any, Any], folder: Path) -> np.ndarray[Any, Any]:
    """What the function gives when it is called, in another process."""
    np.save(folder / "pixels.npy", pixels)
    script = (
        f"import sys, numpy; sys.path.insert(0, {str(NUCLEI.parent)!r}); import nuclei;"
        "numpy.save('labels.npy', nuclei.nuclei(numpy.load('pixels.npy')))"
    )
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True)
    return np.asarray(np.load(folder / "labels.npy"))


def results(workspace: Path) -> list[Path]:
    return sorted(workspace.glob("results/*/*.ome.zarr"))


def test_nuclei_of_the_visible_region_are_those_of_the_function(
    app: App, real: Path, workspace: Path, tmp_path: Path
) -> None:
    panel = Panel(app)
    with opsin_view([real], "--plugin", str(NUCLEI)) as server:
        app.open(server)
        panel.open("Nuclei")
        app.look(center=[700.0, 900.0], zoom=1.0)  # device pixels of half a pixel of level 0
        width, height = app.size
        panel.run()
        layer = panel.result("Nuclei")
        (path,) = results(workspace)
        with open_image(path) as labels, open_image(real) as image:
            found, geometry = labels.read(), labels.levels[0]
            assert geometry.scale == (1.0, 1.0), "the level that is shown: 1"
            level = image.levels[1]
            start = [
                round((t - o) / s)
                for t, o, s in zip(
                    geometry.translation, level.translation, level.scale, strict=True
                )
            ]
            assert found.shape[0] in (height, height + 1)
            assert found.shape[1] in (width, width + 1)
            box = tuple(slice(a, a + n) for a, n in zip(start, found.shape, strict=True))
            pixels = image.read(1, box)
        np.testing.assert_array_equal(found, direct(pixels, tmp_path))
        assert found.max() > 10
        # It lies where its image lies: bright pixels are labelled, and dark ones are not.
        assert layer["levels"][0]["translation"] == list(geometry.translation)
        app.set_layer(layer["id"], opacity=1, visible=True)
        shown = app.capture().max(axis=2) > 0
        app.set_layer(app.scene["layers"][0]["id"], visible=False)
        alone = app.capture().max(axis=2) > 0
        middle = [
            round((c - t) / s)
            for c, t, s in zip((700.0, 900.0), geometry.translation, (1.0, 1.0), strict=True)
        ]
        rows, columns = alone.shape
        cut = found[
            middle[0] - rows // 2 : middle[0] - rows // 2 + rows,
            middle[1] - columns // 2 : middle[1] - columns // 2 + columns,
        ]
        same = alone[: cut.shape[0], : cut.shape[1]] == (cut > 0)
        assert same.mean() > 0.97, "drawn where it was found (pixel centres are half a pixel off)"
        assert shown.sum() >= alone.sum()


def test_nuclei_of_a_whole_image_in_bounded_memory(
    app: App, real: Path, workspace: Path, tmp_path: Path
) -> None:
    panel = Panel(app)
    budget = 96 * MIB
    with opsin_view([real], "--plugin", str(NUCLEI), "--memory", "96M") as server:
        app.open(server)
        panel.open("Nuclei")
        panel.region.get_by_role("radio", name="Whole image").check()
        estimate = panel.region.get_by_role("region", name="Estimate")
        panel.region.get_by_label("Level").select_option(index=0)
        expect(estimate).to_contain_text("4096 × 4096 px of level 0")
        expect(estimate).to_contain_text(re.compile(r"≈ \d+ MiB of [\d.]+ GiB free"))
        with sampled(server.process.pid, alone=True) as memory:  # its workers are not it
            panel.run()
            bar = panel.region.get_by_role("progressbar")
            expect(bar).to_be_visible()
            layer = panel.result("Nuclei")
        assert memory.peak < budget + 200 * MIB, f"{memory.peak / MIB:.0f} MiB"
        (path,) = results(workspace)
        with open_image(path) as labels, open_image(real) as image:
            np.testing.assert_array_equal(labels.read(), direct(image.read(), tmp_path))
            assert labels.levels[0].translation == image.levels[0].translation
        assert layer["levels"][0]["scale"] == [0.5, 0.5]
        expect(estimate).to_contain_text(re.compile(r"≈ [\d.]+ (s|min)"), timeout=10_000)


def worker_of(server: Running) -> psutil.Process:
    deadline = time.monotonic() + 30
    while not (workers := workers_of(server.process.pid)):
        assert time.monotonic() < deadline, "no worker was started"
        time.sleep(0.05)
    return workers[0]


def test_cancel_raise_kill_and_run_again(app: App, workspace: Path, bad: Path) -> None:
    panel = Panel(app)
    picture = ROOT / "tests/data/nuclei/test/images/003.png"
    with opsin_view([picture], "--plugin", str(bad), "--plugin", str(NUCLEI)) as server:
        app.open(server)
        panel.open("Slow")
        panel.run()
        expect(panel.job()).to_contain_text("waiting", timeout=20_000)
        panel.job().get_by_role("button", name="Cancel").click()
        expect(panel.job()).to_contain_text("cancelled", timeout=10_000)

        panel.open("Fails")
        panel.region.get_by_label("Reason").fill("it is too dark")
        panel.run()
        expect(panel.job()).to_contain_text("it is too dark", timeout=20_000)
        panel.job().get_by_text("Traceback").click()
        expect(panel.job()).to_contain_text("bad.py")
        expect(panel.job()).to_contain_text("raise ValueError(reason)")
        panel.job().get_by_role("button", name="Log").click()
        with app.page.expect_download() as saved:
            panel.job().get_by_role("link", name="Save log").click()
        assert saved.value.path().read_text() == "about to fail\n"

        panel.open("Slow")
        panel.run()
        expect(panel.job()).to_contain_text("waiting", timeout=20_000)
        worker_of(server).kill()
        expect(panel.job()).to_contain_text("killed by signal 9", timeout=10_000)

        app.look(center=[128, 128])  # everything else goes on
        panel.open("Nuclei")
        panel.run()
        assert panel.result("Nuclei")["kind"] == "labels"
        (path,) = results(workspace)
        with open_image(path) as labels:
            assert labels.read().max() > 10
    assert list((workspace / "results").glob("*/*")) == [path], "of the others nothing is left"


def test_a_plugin_is_dropped_onto_the_window_and_kept(app: App, workspace: Path) -> None:
    panel = Panel(app)
    picture = ROOT / "tests/data/nuclei/test/images/003.png"
    drop = """([name, text]) => {
        const data = new DataTransfer();
        data.items.add(new File([text], name, {type: "text/x-python"}));
        for (const type of ["dragenter", "dragover", "drop"]) {
            document.body.dispatchEvent(
                new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));
        }
    }"""
    with opsin_view([picture]) as server:
        app.open(server)
        app.page.get_by_role("button", name="Plugins", exact=True).click()
        app.page.evaluate(drop, ["spots.py", "def spots(:"])
        expect(app.page.locator("body")).to_contain_text("this is not Python", timeout=10_000)
        app.page.evaluate(drop, ["spots.py", NUCLEI.read_text().replace("Nuclei", "Spots")])
        expect(panel.region.get_by_role("form", name="Nuclei")).to_contain_text("Spots 1.0")
        app.page.evaluate(drop, ["photo.jpg", "not a photo"])
        refused = "“photo.jpg” could not be opened"
        expect(app.page.locator("body")).to_contain_text(refused, timeout=10_000)
        app.page.goto("about:blank")
    kept = workspace / "plugins" / "spots.py"
    assert "Spots" in kept.read_text()
    with opsin_view([picture]) as server:
        app.open(server)
        panel.open("Nuclei")
        panel.run()
        panel.result("Nuclei")


def test_reload_finds_jobs_and_layers_again(app: App, workspace: Path, bad: Path) -> None:
    panel = Panel(app)
    picture = ROOT / "tests/data/nuclei/test/images/003.png"
    with opsin_view([picture], "--plugin", str(bad), "--plugin", str(NUCLEI)) as server:
        app.open(server)
        panel.open("Nuclei")
        panel.run()
        panel.result("Nuclei")
        panel.open("Slow")
        panel.run()
        expect(panel.job()).to_contain_text("waiting", timeout=20_000)
        app.page.reload()
        app.ready()
        assert [layer["name"] for layer in app.scene["layers"]] == ["003", "Nuclei"]
        expect(panel.region.get_by_role("form", name="Slow")).to_be_visible()
        expect(panel.job()).to_contain_text("waiting", timeout=20_000)
        worker = worker_of(server)
    assert not psutil.pid_exists(worker.pid), "workers end with the server"


def test_the_page_of_another_site_gets_no_link(tmp_path: Path) -> None:
    """The host's socket is guarded as every route is (details: tests/server/test_access.py)."""
    picture = ROOT / "tests/data/nuclei/test/images/003.png"
    with opsin_view([picture]) as server:
        for headers in (
            [],
            [f"Origin: {server.origin}"],
            ["Origin: http://evil.example", f"Cookie: opsin-token-{server.port}={server.token}"],
            [f"Cookie: opsin-token-{server.port}={server.token}"],
        ):
            assert upgrade(server, headers) in (401, 403)
        ours = [f"Origin: {server.origin}", f"Cookie: opsin-token-{server.port}={server.token}"]
        assert upgrade(server, ours) == 101


def upgrade(server: Running, headers: list[str]) -> int:
    """The status of an upgrade to a WebSocket."""
    lines = [
        "GET /api/rpc HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "Upgrade: websocket",
        "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *headers, "", "",
    ]  # fmt: skip
    with socket.create_connection(("127.0.0.1", server.port), 10) as link:
        link.sendall("\r\n".join(lines).encode())
        return int(link.recv(4096).split()[1])
