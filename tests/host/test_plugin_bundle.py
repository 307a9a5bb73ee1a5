"""Bundles: a plugin goes to a computer without a network, with all its packages."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

import opsin
from opsin.cli import main
from opsin.errors import EnvironmentFailed, OpsinError, PluginError, UsageError, WriteError
from opsin.host.plugin_bundle import add_bundle, write_bundle
from opsin.host.workspace import Workspace
from opsin.workers.kept_environments import forget_locks
from opsin.workers.package_sources import PackageSources, write_sources
from tests.workers.pytorch_index import VERSION, pytorch_index

PLUGIN = """
# /// script
# dependencies = ["six==1.16.0"]
# ///
import six

from opsin.types import Image, Table


def total(image: Image) -> Table:
    return {"six": [six.__version__], "sum": [int(image.sum())]}
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plugin that needs a package which is not here in that version."""
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "sixer.py").write_text(PLUGIN)
    workspace = Workspace(folder / "data")
    said: list[str] = []
    target = folder / "sixer.opsin.zip"
    names = asyncio.run(write_bundle(folder / "sixer.py", target, workspace, said.append))
    workspace.close()
    assert {name.partition("-")[0] for name in names} == {"six", "numpy", "msgspec"}
    return target


TORCH = """
# /// script
# dependencies = ["torch"]
# ///
from importlib.metadata import version

from opsin.types import Image, Table


def built(image: Image) -> Table:
    return {"torch": [version("torch")]}
"""


def test_it_has_the_build_of_pytorch_that_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes from an index of its own, and is installed where another build is set."""
    (tmp_path / "built.py").write_text(TORCH)
    bundle = tmp_path / "built.opsin.zip"
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    workspace = Workspace(tmp_path / "here")
    write_sources(workspace.environments, PackageSources(torch="cpu"))
    with pytorch_index(tmp_path) as (proxy, trusted, asked):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        for name in ("SSL_CERT_FILE", "PIP_CERT"):
            monkeypatch.setenv(name, str(trusted))
        names = asyncio.run(write_bundle(tmp_path / "built.py", bundle, workspace, print))
    workspace.close()
    assert [name for name in names if name.startswith("torch")] == [
        f"torch-{VERSION}+cpu-py3-none-any.whl"
    ]
    assert f"/whl/cpu/torch/{names[-1]}" in [unquote(path) for path in asked]

    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "another"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    there = Workspace(tmp_path / "there")
    write_sources(there.environments, PackageSources(torch="cu128"))
    added = asyncio.run(add_bundle(bundle, there, print))
    there.close()
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "there"))
    picture, table = tmp_path / "one.ome.zarr", tmp_path / "out.csv"
    opsin.write_image(opsin.image_from_array(np.ones((8, 8), np.uint8)), picture)
    assert main(["run", f"{added.path}:built", str(picture), "-o", str(table)]) == 0
    assert table.read_text().split() == ["torch", f"{VERSION}+cpu"]


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    there = Workspace(tmp_path / "data")
    yield there
    there.close()


def changed(bundle: Path, target: Path, **files: bytes | None) -> Path:
    """The bundle with other files; None: without."""
    names = {name.replace("__", "/").replace("_dot_", "."): data for name, data in files.items()}
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            if entry.filename not in names:
                new.writestr(entry, old.read(entry))
        for name, data in names.items():
            if data is not None:
                new.writestr(name, data)
    return target


def test_it_runs_where_there_is_no_network_and_no_cache(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_OFFLINE", "1")

    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    assert main(["plugins", "add", str(bundle)]) == 0
    opsin.write_image(
        opsin.image_from_array(np.full((8, 8), 2, np.uint8)), tmp_path / "two.ome.zarr"
    )
    plugin = tmp_path / "data" / "plugins" / "sixer.py"
    given, table = str(tmp_path / "two.ome.zarr"), tmp_path / "out.csv"
    assert main(["run", f"{plugin}:total", given, "-o", str(table)]) == 0
    assert table.read_text().split() == ["six,sum", "1.16.0,128"]
    environments = tmp_path / "data" / "environments"
    assert list((environments / "wheels").iterdir())
    assert forget_locks(environments) == 1
    assert not list((environments / "wheels").iterdir())


def test_a_wheel_that_was_changed_is_not_installed(
    bundle: Path, tmp_path: Path, workspace: Workspace
) -> None:
    with zipfile.ZipFile(bundle) as file:
        (name,) = [one for one in file.namelist() if "six-" in one]
        content = bytearray(file.read(name))
    content[100] ^= 1
    bad = changed(bundle, tmp_path / "bad.opsin.zip", **{name: bytes(content)})
    with pytest.raises(EnvironmentFailed, match=r"six-1.16.0.*was changed"):
        asyncio.run(add_bundle(bad, workspace, print))
    assert not list(workspace.environments.glob("*/pyvenv.cfg"))
    assert not list(workspace.plugins.iterdir())


def test_one_for_another_computer_says_so(
    bundle: Path, tmp_path: Path, workspace: Workspace
) -> None:
    note = {"python": "CPython 3.5", "platform": "plan9", "plugin": "sixer.py", "opsin_bundle": 1}
    bad = changed(bundle, tmp_path / "bad.opsin.zip", bundle_dot_json=json.dumps(note).encode())
    with pytest.raises(EnvironmentFailed, match=r"made for CPython 3.5 on plan9, and this is"):
        asyncio.run(add_bundle(bad, workspace, print))


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({"bundle_dot_json": None}, "damaged"),
        ({"bundle_dot_json": b"{}"}, "damaged"),
        ({"lock_dot_txt": None}, "damaged"),
        ({"plugin__sixer_dot_py": b"import os\n"}, "sixer|no plugin|operation"),
        ({"plugin__sixer_dot_py": b"x" * (9 << 20)}, "too long"),
        ({"other_dot_txt": b""}, "it holds 'other.txt'"),
        ({"wheels__..__..__evil-1-py3-none-any.whl": b""}, "it holds"),
        ({"..__evil_dot_py": b""}, "it holds"),
    ],
)
def test_what_is_no_bundle_is_refused(
    bundle: Path, tmp_path: Path, workspace: Workspace, files: dict[str, bytes | None], word: str
) -> None:
    bad = changed(bundle, tmp_path / "bad.opsin.zip", **files)
    with pytest.raises(PluginError, match=word):
        asyncio.run(add_bundle(bad, workspace, print))
    assert not list(workspace.plugins.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"data", "bad.opsin.zip"}


def test_no_zip_and_no_file(tmp_path: Path, workspace: Workspace) -> None:
    (tmp_path / "text.opsin.zip").write_text("not a zip")
    for name in ("text.opsin.zip", "missing.opsin.zip"):
        with pytest.raises(PluginError, match=name):
            asyncio.run(add_bundle(tmp_path / name, workspace, print))


def test_what_cannot_be_bundled_says_why(
    bundle: Path, tmp_path: Path, workspace: Workspace
) -> None:
    def refused(text: str, target: str = "x.opsin.zip") -> OpsinError:
        (tmp_path / "plugin.py").write_text(text)
        with pytest.raises(OpsinError) as raised:
            asyncio.run(
                write_bundle(tmp_path / "plugin.py", tmp_path / target, workspace, lambda _: None)
            )
        assert not list(tmp_path.glob("*.opsin.zip")) or target == bundle.name
        return raised.value

    assert isinstance(refused("x = 1\n"), PluginError)
    old = PLUGIN.replace("# ///\nimport", '# requires-python = "<3"\n# ///\nimport')
    assert "wants Python <3" in str(refused(old))
    assert "no version ==99.0 of six" in str(refused(PLUGIN.replace("1.16.0", "99.0")))
    (tmp_path / bundle.name).touch()
    assert isinstance(refused(PLUGIN, bundle.name), WriteError)
    with pytest.raises(UsageError, match="only a typed Python file"):
        asyncio.run(
            write_bundle(Path("examples/plugins/any.imjoy.html"), tmp_path / "y", workspace, print)
        )
