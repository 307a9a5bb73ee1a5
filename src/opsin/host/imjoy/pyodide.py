"""Pyodide: Python in the page, and the packages that plugins want there.

Pyodide itself comes from npm, once. Its packages come from where all packages of plugins come from
(`opsin envs sources`; a folder of wheels is looked at as well), as far as there are wheels for it:
those of pure Python. They are put together on this computer and served as one archive.
"""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from packaging.utils import canonicalize_name

from opsin.errors import EnvironmentFailed, PluginError
from opsin.host.imjoy.npm import install
from opsin.host.imjoy.resources import keep_resource, kept_resource, obtain
from opsin.workers.installer import Output
from opsin.workers.package_sources import PackageSources
from opsin.workers.uv import run_uv

PACKAGE, VERSION = "pyodide", "314.0.7"
PYTHON, PLATFORM = "3.14", "wasm32-pyodide2025"
"""What that version runs."""
OWN = ("micropip", "pyodide", "pyodide-py", "pyodide-js", "js")
"""Named by plugins, and part of it."""
ARCHIVE = "packages.zip"
_OLDEST = (1980, 1, 1, 0, 0, 0)


async def prepare(
    needs: dict[str, list[str]], folder: Path, sources: PackageSources, output: Output
) -> dict[str, Any]:
    """What a page is told of Python: where Pyodide is served, and the plugin's packages.

    Args:
        needs: `packages` by their names, and addresses of `wheels`.
        folder: what was fetched for plugins.
        output: gets what the installer prints.

    Raises:
        PluginError: something cannot be had; its `reason` says why.
    """
    home = await install(PACKAGE, VERSION, folder)
    wheels = [(await obtain(one, folder)).route for one in needs["wheels"]]
    packages = [one for one in needs["packages"] if canonicalize_name(one) not in OWN]
    if packages:
        wheels.append(await _archive(sorted(set(packages)), folder, sources, output))
    return {"index": f"{home.relative_to(folder).as_posix()}/", "packages": [], "wheels": wheels}


async def _archive(
    packages: Sequence[str], folder: Path, sources: PackageSources, output: Output
) -> str:
    """Where an archive with these packages, and what they need, is served."""
    name = f"pyodide {VERSION}: {' '.join(packages)}; {' '.join(sources.choice())}"
    kept = await asyncio.to_thread(kept_resource, name, folder)
    if kept is not None:
        return kept.route
    with TemporaryDirectory(prefix="opsin-") as made:
        chosen = ("--python-platform", PLATFORM, "--python-version", PYTHON)
        place = ("--target", made, "--only-binary", ":all:")
        try:
            await run_uv(
                ["pip", "install", *place, *chosen, *sources.arguments(), *packages],
                output,
                wanted=packages,
            )
        except EnvironmentFailed as error:
            raise PluginError(
                f"Python in the page (Pyodide) cannot have what the plugin needs. {error} "
                "Plugins of the kind native-python can use every package.",
                reason="needs_network" if error.reason == "needs_network" else "no_wheel",
            ) from None
        content = await asyncio.to_thread(_zipped, Path(made))
    return (await asyncio.to_thread(keep_resource, name, content, ARCHIVE, folder)).route


def _zipped(folder: Path) -> bytes:
    """The files of a folder as an archive, which is the same for the same files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".lock":
                about = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _OLDEST)
                archive.writestr(about, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return made.getvalue()
