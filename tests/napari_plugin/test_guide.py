"""What the guide shows is run, with the file that it names."""

from __future__ import annotations

import re
from pathlib import Path

from tests.napari_plugin.conftest import ROOT, Stage


def test_what_the_guide_shows_works(stage: Stage) -> None:
    text = (ROOT / "docs" / "guides" / "napari.md").read_text()
    blocks = re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4
    volume = Path("tests/data/volume/img3d.tif")  # docs/README.md makes `volume.tif` of it
    assert (ROOT / volume).exists()
    said = [
        block.replace("volume.tif", volume.as_posix()).replace(
            '"nuclei.py"', '"examples/plugins/nuclei.py"'
        )
        for block in blocks
    ]
    assert stage.play("scenes_guide:run", blocks=said) == ["img3d", "Nuclei"]
