"""What a plugin is allowed is what it can do, at each level, and no longer than it is allowed."""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import opsin
from opsin.cli import main
from opsin.errors import UsageError
from opsin.host.host import Host
from opsin.host.host_thread import HostThread
from opsin.host.selection import Whole
from opsin.host.step import Step
from opsin.images.write import write_image
from tests.host.hosting import hosting, layer, worker_processes
from tests.rpc.running import run, until

ISOLATED = ("bubblewrap", "landlock")
PIXELS = np.ones((4, 4), np.uint8)
SOURCE = '''# /// script
# [tool.opsin]
# name = "Fetcher"
# version = "{version}"
# permissions = {{ {asks} }}
# ///
import os
import socket
from pathlib import Path
from opsin.types import Image, Table


def attempt(way):
    try:
        return f"yes: {{way()}}"
    except Exception as error:
        return f"no: {{type(error).__name__}}"


def connect(port):
    with socket.create_connection(("127.0.0.1", port), 5):
        return "connected"


def send(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        return made.sendto(b"udp", ("127.0.0.1", port))


def unix(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.connect(path)


def write(path):
    with open(path, "w") as file:
        return file.write("changed")


def tries(
    image: Image, port: int = 0, datagrams: int = 0, unix_path: str = "", folder: str = "",
    device: str = "",
) -> Table:
    """What it can do."""
    attempt(lambda: send(datagrams))  # which says nothing of whether they arrive
    said = {{
        "tcp": attempt(lambda: connect(port)),
        "unix": attempt(lambda: unix(unix_path)),
        "abstract": attempt(lambda: unix(chr(0) + unix_path)),
        "reads": attempt(lambda: Path(folder, "model").read_text()),
        "writes": attempt(lambda: write(os.path.join(folder, "model"))),
        "secret": attempt(lambda: Path(folder + "-secret", "model").read_text()),
        "gpu": attempt(lambda: write(device)),
        "proxy": attempt(lambda: os.environ["HTTPS_PROXY"]),
    }}
    return {{name: [one] for name, one in said.items()}}
'''
NETWORK = 'network = "downloads its model once"'
ALL = f"{NETWORK}, files = 'reads models', gpu = 'computes faster'"


class Outside:
    """What a plugin may reach, or not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.listeners: list[socket.socket] = []
        for family, kind, address in (
            (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            (socket.AF_UNIX, socket.SOCK_STREAM, str(folder / "s")),
            (socket.AF_UNIX, socket.SOCK_STREAM, f"\0{folder / 's'}"),
        ):
            made = socket.socket(family, kind)
            made.bind(address)
            made.setblocking(False)
            if kind == socket.SOCK_STREAM:
                made.listen()
            self.listeners.append(made)
        self.tcp, self.udp, *_ = self.listeners
        for name in ("models", "models-secret"):
            (folder / name).mkdir()
            (folder / name / "model").write_text("a model")
        self.device = folder / "device"
        self.device.write_text("")

    def parameters(self) -> dict[str, Any]:
        return {
            "port": self.tcp.getsockname()[1],
            "datagrams": self.udp.getsockname()[1],
            "unix_path": str(self.folder / "s"),
            "folder": str(self.folder / "models"),
            "device": str(self.device),
        }

    def heard(self) -> tuple[bool, bool]:
        """Whether somebody came by TCP, and by UDP, since this was asked last."""
        try:
            self.tcp.accept()[0].close()
            came = True
        except BlockingIOError:
            came = False
        try:
            return came, self.udp.recv(9) == b"udp"
        except BlockingIOError:
            return came, False


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    (tmp_path / "outside").mkdir()
    found = Outside(tmp_path / "outside")
    monkeypatch.setattr("opsin.workers.isolation.visible.GPUS", (str(found.device),))
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy")
    yield found
    for one in found.listeners:
        one.close()


def write_plugin(folder: Path, version: str = "1.0", asks: str = ALL) -> Path:
    path = folder / "plugin" / "trial.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(SOURCE.format(version=version, asks=asks))
    return path


async def tried(host: Host, path: Path, outside: Outside, allow: Any = ()) -> tuple[Any, Step]:
    """What it could do, by name, and the record of it."""
    registered = host.registry.add(path)
    program = host.program(registered, None, outside.parameters(), allow=allow)
    job = host.run(program, {"image": layer(PIXELS)}, Whole())
    await job.wait()
    assert job.state == "done", job.error
    names, values, *_ = job.results[0].path.read_text().splitlines()
    could = {
        name: said.startswith("yes")
        for name, said in zip(names.split(","), values.split(","), strict=True)
    }
    assert job.step is not None
    said = [line for line in job.log if "asks for" in line]
    return could | {"said": said}, job.step


NOTHING = dict.fromkeys(
    ("tcp", "unix", "abstract", "reads", "writes", "secret", "gpu", "proxy"), False
)
OF_NETWORK = NOTHING | dict.fromkeys(("tcp", "proxy"), True)


@pytest.mark.parametrize("level", ISOLATED)
def test_what_is_allowed_is_possible_and_nothing_else(
    level: str, tmp_path: Path, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_ISOLATION", level)
    path = write_plugin(tmp_path)

    async def work() -> None:
        async with hosting(tmp_path) as host:

            def idle() -> int:
                return len(worker_processes())

            could, step = await tried(host, path, outside)
            (said,) = could.pop("said")
            assert could == NOTHING
            assert outside.heard() == (False, False)
            assert "asks for the network and folders of yours and the graphics card" in said
            assert step.permissions == ()
            assert step.isolation.startswith(f"{level} (files, network, graphics card, ")

            plugin = host.registry.add(path)
            host.agreements.answer(plugin, {"network": True})
            await until(lambda: idle() == 0)  # it was kept apart from more than the next one
            could, step = await tried(host, path, outside)
            assert len(could.pop("said")) == 1
            assert could == OF_NETWORK
            assert outside.heard() == (True, True)
            assert step.permissions == ("network",)
            assert step.isolation.startswith(f"{level} (files, graphics card, ")

            folders = (outside.folder / "models",)
            host.agreements.answer(plugin, {"network": False, "gpu": True, "files": folders})
            await until(lambda: idle() == 0)  # none is left that has the network
            could, step = await tried(host, path, outside)
            assert len(could.pop("said")) == 1
            assert could == NOTHING | {"gpu": True, "reads": True}
            assert outside.heard() == (False, False)
            assert (outside.folder / "models" / "model").read_text() == "a model"
            assert step.permissions == ("gpu", f"files={folders[0]}")

            write_plugin(tmp_path, version="1.1")
            could, step = await tried(host, path, outside)
            assert could.pop("said")
            assert could == NOTHING
            assert step.permissions == ()

    run(work(), 120)


@pytest.mark.parametrize("level", ISOLATED)
def test_files_that_were_dropped_do_not_meet(
    level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is allowed to one must not be had by another that is called like what the first imports,
    if that is there.
    """
    monkeypatch.setenv("OPSIN_ISOLATION", level)
    source = """
from pathlib import Path
from opsin.types import Image, Table
try:
    import faster
except ImportError:
    faster = None

def meets(image: Image) -> Table:
    try:
        said = Path(__file__).with_name("faster.py").read_text()
    except OSError:
        said = ""
    return {"met": [faster is not None or bool(said)]}
"""

    async def work() -> None:
        async with hosting(tmp_path) as host:
            kept = [host.workspace.keep_plugin(f"{name}.py", source) for name in ("own", "faster")]
            own = tmp_path / "own"
            own.mkdir()
            for path in kept:
                (own / path.name).write_text(source)
            for path, met in ((kept[0], False), (own / "own.py", True)):
                program = host.program(host.registry.add(path), None, {})
                job = host.run(program, {"image": layer(PIXELS)}, Whole())
                await job.wait()
                assert job.state == "done", job.error
                assert job.results[0].path.read_text().splitlines()[1] == str(met), path

    run(work(), 60)


@pytest.mark.parametrize("level", ISOLATED)
def test_folders_may_lie_among_temporary_files(
    level: str, tmp_path: Path, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_ISOLATION", level)
    path = write_plugin(tmp_path, asks="files = 'reads models'")

    async def work(models: Path) -> None:
        async with hosting(tmp_path) as host:
            outside.folder = models.parent
            could, _ = await tried(host, path, outside, [f"files={models}"])
            assert could["reads"]
            assert not could["writes"]

    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        models = Path(folder, "models")
        models.mkdir()
        (models / "model").write_text("a model")
        run(work(models), 60)


def test_an_agreement_for_one_run_is_gone_after_it(
    tmp_path: Path, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_ISOLATION", "landlock")
    path = write_plugin(tmp_path, asks=NETWORK)

    async def work() -> None:
        async with hosting(tmp_path) as host:
            could, step = await tried(host, path, outside, ["network"])
            assert could.pop("said") == []
            assert could == OF_NETWORK
            assert (step.permissions, step.once) == (("network",), ("network",))
            could, step = await tried(host, path, outside)
            assert could.pop("said")
            assert could == NOTHING
            assert (step.permissions, step.once) == ((), ())
            with pytest.raises(UsageError, match="does not ask for the graphics card"):
                await tried(host, path, outside, ["gpu"])
            host.agreements.answer(host.registry.add(path), {"network": True})
            write_plugin(tmp_path, asks=f"{NETWORK}, gpu = 'and more'")
            could, _ = await tried(host, path, outside)  # an update that asks for more
            assert not could["tcp"]

    run(work(), 120)


def test_the_command_line_shows_allows_and_revokes(
    tmp_path: Path,
    outside: Outside,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OPSIN_ISOLATION", "landlock")
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    path = write_plugin(tmp_path, asks=f"{NETWORK}, files = 'reads models'")
    write_image(layer(PIXELS).image, Path("a.ome.zarr"))
    words = [f"{name}={value}" for name, value in outside.parameters().items()]

    def ran(number: int, *options: str) -> tuple[dict[str, str], str]:
        out = f"{number}.csv"
        assert main(("run", str(path), "a.ome.zarr", *words, "-o", out, *options)) == 0
        names, values, *_ = Path(out).read_text().splitlines()
        return dict(zip(names.split(","), values.split(","), strict=True)), capsys.readouterr().err

    def permissions(*options: str) -> Any:
        assert main(("plugins", "permissions", str(path), "--json", *options)) == 0
        return json.loads(capsys.readouterr().out)[0]["permissions"]

    found, said = ran(1)
    assert found["tcp"].startswith("no")
    allows = f"opsin plugins permissions {path} --allow network --allow files=FOLDER"
    assert "Fetcher asks for the network and folders of yours" in said
    assert allows in said
    found, said = ran(2, "--allow", "network", "--allow", f"files={outside.folder / 'models'}")
    assert (found["tcp"][:3], found["reads"]) == ("yes", "yes: a model")
    assert "asks for" not in said
    main(("script", "-o", "again.py"))
    capsys.readouterr()
    assert f'allow=["network", "files={outside.folder}/models"]' in Path("again.py").read_text()
    assert [one["state"] for one in permissions()] == ["unasked", "unasked"]
    assert [one["state"] for one in permissions("--allow", "network")] == ["allowed", "unasked"]
    assert ran(3)[0]["tcp"].startswith("yes")
    main(("script",))
    written = capsys.readouterr().out
    assert "it was allowed network" in written
    assert "allow=" not in written
    main(("runs", "--last", "1"))
    assert "landlock + network" in capsys.readouterr().out
    main(("plugins", "permissions", str(path)))
    assert "network  allowed          downloads its model once" in capsys.readouterr().out
    assert [one["state"] for one in permissions("--revoke", "all")] == ["refused", "refused"]
    assert ran(4)[0]["tcp"].startswith("no")
    assert main(("plugins", "permissions", str(path), "--allow", "gpu")) == 2
    assert "does not ask for the graphics card" in capsys.readouterr().err
    assert main(("run", str(path), "a.ome.zarr", "-o", "x.csv", "--allow", "gpu")) == 2


def test_python_allows_for_one_call(
    tmp_path: Path, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_ISOLATION", "landlock")
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    path = write_plugin(tmp_path, asks=NETWORK)
    given = outside.parameters()
    HostThread.end_shared()
    try:
        assert opsin.run(str(path), PIXELS, **given)["tcp"][0].startswith("no")
        assert opsin.run(str(path), PIXELS, allow="network", **given)["tcp"][0].startswith("yes")
        assert opsin.run(str(path), PIXELS, **given)["tcp"][0].startswith("no")
        tries = opsin.load(path, allow=["network"]).tries
        assert tries(PIXELS, **given)["tcp"][0].startswith("yes")
        with pytest.raises(UsageError, match="does not ask for the graphics card"):
            opsin.run(str(path), PIXELS, allow=("gpu",), **given)
    finally:
        HostThread.end_shared()
