"""The packages of a plugin are installed while somebody watches, cancels, and tries again."""

from __future__ import annotations

from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from playwright.sync_api import expect

from opsin.workers.package_sources import PackageSources, write_sources
from tests.end_to_end.app import App
from tests.end_to_end.panel import Panel
from tests.server.running import Running, opsin_view
from tests.workers.slow_wheels import NAME, VERSION, slow_wheels

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "tests/data/nuclei/test/images/003.png"
PLUGIN = f"""# /// script
# dependencies = ["{NAME}=={VERSION}"]
# ///
import {NAME.replace("-", "_")} as trial

from opsin.types import Image


def versed(image: Image) -> Image:
    print("version", trial.version)
    return image
"""
PATIENCE = 60_000


def installers(server: Running) -> list[str]:
    """The programs that install, below the server."""
    found = []
    for child in psutil.Process(server.process.pid).children(recursive=True):
        try:
            found += [child.name()] * (child.name() == "uv")
        except psutil.Error:  # it has ended
            continue
    return found


def made(environments: Path) -> list[str]:
    """What lies there, but for settings, empty files that are locked, and modules of Opsin."""
    kept = {"sources.json", "locks"}
    return sorted(
        str(path.relative_to(environments))
        for path in [*environments.glob("*"), *environments.glob("locks/*")]
        if path.name not in kept
        and not path.name.startswith("worker-")
        and path.suffix not in (".locking", ".making")
    )


def test_an_install_is_watched_cancelled_and_tried_again(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    environments = tmp_path / "data" / "environments"
    (tmp_path / "versed.py").write_text(PLUGIN)
    panel = Panel(app)
    with slow_wheels(tmp_path / "wheels") as wheels:
        write_sources(environments, PackageSources(find_links=(wheels.address,)))
        with opsin_view([PICTURE], "--plugin", str(tmp_path / "versed.py")) as server:
            app.open(server)
            panel.open("Versed")
            panel.run()
            card = panel.job()
            assert wheels.asked.wait(60)
            expect(card).to_contain_text("Preparing", timeout=PATIENCE)
            expect(card).to_contain_text("Resolving msgspec", timeout=PATIENCE)  # meanwhile
            card.get_by_role("button", name="Log").click()
            log = card.get_by_role("region", name="Log")
            expect(log).to_contain_text(f"{NAME} is not installed", timeout=PATIENCE)
            assert installers(server)
            card.get_by_role("button", name="Cancel").click()
            expect(card).to_contain_text("cancelled", timeout=PATIENCE)
            assert not installers(server)
            assert made(environments) == []

            wheels.is_there = False
            wheels.let_go.set()
            card.get_by_role("button", name="Run again").click()
            card = panel.job()
            expect(card).to_contain_text(f"{NAME} cannot be fetched", timeout=PATIENCE)
            expect(card).to_contain_text("its server does not have it", timeout=PATIENCE)
            expect(card).to_contain_text(
                "name a folder of wheels or another index", timeout=PATIENCE
            )
            assert made(environments) == []

            wheels.is_there = True
            card.get_by_role("button", name="Retry").click()
            card = panel.job()
            assert panel.result("Versed")["kind"] == "image"
            card.get_by_role("button", name="Log").click()
            log = card.get_by_role("region", name="Log")
            expect(log).to_contain_text(f"+ {NAME}=={VERSION}", timeout=PATIENCE)
            expect(log).to_contain_text(f"version {VERSION}", timeout=PATIENCE)
            assert len(made(environments)) == 3  # the environment, when it was used, its lock
