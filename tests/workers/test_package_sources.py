"""Where packages come from: the setting, and what the real uv makes of it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import stat
import zipfile
from pathlib import Path

import pytest

from opsin.errors import EnvironmentFailed, UsageError
from opsin.workers.environment import prepare
from opsin.workers.package_sources import FILE, PackageSources, read_sources, shown, write_sources


def wheel(folder: Path, name: str, version: str) -> Path:
    """A wheel of one module, which knows its version."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    files = {
        f"{name}.py": f"version = {version!r}\n",
        f"{name}-{version}.dist-info/METADATA": (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        ),
        f"{name}-{version}.dist-info/WHEEL": (
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    record = f"{name}-{version}.dist-info/RECORD"
    with zipfile.ZipFile(path, "w") as archive:
        rows = []
        for place, text in files.items():
            archive.writestr(place, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            rows.append(f"{place},sha256={digest.decode().rstrip('=')},{len(text)}")
        archive.writestr(record, "\n".join([*rows, f"{record},,", ""]))
    return path


def test_nothing_is_set_at_first(tmp_path: Path) -> None:
    assert read_sources(tmp_path) == PackageSources()
    assert PackageSources().arguments() == ()
    assert PackageSources().choice() == ()


def test_what_is_set_stays_and_is_for_the_user_alone(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    wheels = str(tmp_path / "wheels")
    sources = PackageSources("https://me:secret@mirror.example/simple", (wheels,), True, "cpu")
    write_sources(tmp_path, sources.checked())
    assert read_sources(tmp_path) == sources
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert not any("secret" in line for line in sources.lines())
    assert any("mirror.example/simple" in line for line in sources.lines())
    assert sources.arguments() == (
        *("--default-index", sources.index, "--find-links", wheels, "--offline"),
        *("--torch-backend", "cpu"),
    )


@pytest.mark.parametrize(
    ("sources", "word"),
    [
        (PackageSources(index="mirror.example"), "https://"),
        (PackageSources(index="http://mirror.example/simple"), "https://"),
        (PackageSources(find_links=("/no/such/folder",)), "no such folder"),
        (PackageSources(torch="fast"), "cu128"),
        (PackageSources(torch="--index"), "cu128"),
    ],
)
def test_what_cannot_be_meant_is_refused(sources: PackageSources, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        sources.checked()


@pytest.mark.parametrize("text", ["", "[]", '{"indx": ""}', '{"index": 3}', '{"torch": "-"}'])
def test_a_damaged_setting_says_how_to_mend_it(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(EnvironmentFailed, match="opsin envs sources --reset"):
        read_sources(tmp_path)


@pytest.mark.parametrize(
    ("address", "said"),
    [("https://a:b@c.de:8/x", "https://…@c.de:8/x"), ("/some/folder", "/some/folder"), ("", "")],
)
def test_passwords_are_not_shown(address: str, said: str) -> None:
    assert shown(address) == said


def test_packages_come_from_a_folder_of_wheels_and_a_new_setting_chooses_anew(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "environments"
    for number, version in (("one", "1.0"), ("two", "2.0")):
        wheel(tmp_path / number, "opsin_test_only_here", version)
        write_sources(folder, PackageSources(find_links=(str(tmp_path / number),)).checked())
        made = asyncio.run(prepare(["opsin_test_only_here"], folder=folder))
        packages = made.python.parents[1] / "complete"
        assert f"opsin-test-only-here=={version}" in packages.read_text()


def test_what_resolves_only_with_the_network_says_that_it_is_off(tmp_path: Path) -> None:
    write_sources(tmp_path, PackageSources(offline=True))
    with pytest.raises(EnvironmentFailed, match="network is switched off"):
        asyncio.run(prepare(["opsin_test_only_here"], folder=tmp_path))
