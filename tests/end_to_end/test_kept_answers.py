"""What a verified operation gave is given again in the app, or computed anew if that is asked."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.end_to_end.panel import Panel
from tests.server.running import OPSIN, Running, opsin_view

PICTURE = Path(__file__).parents[2] / "tests/data/nuclei/test/images/003.png"
BRIGHT = """import time

from opsin.types import Image, Labels


def bright(image: Image) -> Labels:
    print("thresholded")
    time.sleep(0.2)
    return (image > 60).astype("uint32")
"""
WAIT = 30_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    plugin = tmp_path / "finder.py"
    plugin.write_text(BRIGHT)
    environment = {"OPSIN_DATA": str(tmp_path / "data")}
    command = (OPSIN, "plugins", "check", plugin, "--functional")
    subprocess.run(command, check=True, env=os.environ | environment)
    with opsin_view([PICTURE, "--plugin", plugin], environment=environment) as running:
        yield running


def log_of(job: Locator) -> Locator:
    expect(job).to_have_class(re.compile("job-done"), timeout=WAIT)
    job.get_by_role("button", name="Log").click()
    return job


def test_it_is_kept_and_computed_anew(panel: Panel) -> None:
    panel.open("Bright")
    panel.run()
    expect(log_of(panel.job())).to_contain_text("thresholded")
    panel.run()
    jobs = panel.region.get_by_role("list", name="Jobs").get_by_role("listitem")
    expect(jobs).to_have_count(2)
    kept = log_of(panel.job())
    expect(kept).to_contain_text("results are those of an earlier run")
    expect(kept).not_to_contain_text("thresholded")
    panel.region.get_by_role("button", name="Run anew").click()
    expect(jobs).to_have_count(3)
    anew = log_of(panel.job())
    expect(anew).to_contain_text("thresholded")
    expect(anew).not_to_contain_text("earlier run")
    assert len({layer["name"] for layer in panel.app.scene["layers"]}) == 4
