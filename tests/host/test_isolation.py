"""What a plugin may see when a host runs it, and where the level of isolation is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from opsin.cli import main
from opsin.host.selection import Whole
from opsin.images.write import write_image
from tests.host.hosting import hosting, layer, start
from tests.rpc.running import run

LEVELS = ("bubblewrap", "landlock", "none")
PIXELS = np.arange(64, dtype=np.uint8).reshape(8, 8)
SOURCE = '''
from pathlib import Path
from opsin.types import Image, Table
import neighbour

def weighs(image: Image, weights: Path, other: str = "") -> Table:
    """Reads a file that it was given, one beside it, and one that it was not given."""
    try:
        found = Path(other).read_text()
    except OSError as error:
        found = type(error).__name__
    return {"weights": [weights.read_text()], "beside": [neighbour.NAME], "other": [found]}
'''


@pytest.mark.parametrize("level", LEVELS)
def test_files_that_are_given_are_there_and_others_are_not(
    level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_ISOLATION", level)
    for name in ("plugin", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "plugin" / "trial.py").write_text(SOURCE)
    (tmp_path / "plugin" / "neighbour.py").write_text('NAME = "a neighbour"\n')
    weights, other = tmp_path / "data" / "weights", tmp_path / "data" / "other"
    weights.write_text("0.5")
    other.write_text("secret")
    monkeypatch.chdir(tmp_path)  # a path may be relative to where the host is

    async def main() -> tuple[str, str]:
        async with hosting(tmp_path) as host:
            job = start(
                host,
                tmp_path / "plugin",
                "weighs",
                Whole(),
                parameters={"weights": "data/weights", "other": str(other)},
                image=layer(PIXELS),
            )
            await job.wait()
            assert job.state == "done", job.error
            (step,) = host.recorder.steps()
            return step.isolation, job.results[0].path.read_text()

    isolation, table = run(main(), 60)
    seen = "secret" if level == "none" else ""
    assert table.splitlines()[1].startswith(f"0.5,a neighbour,{seen}")
    assert ("Error" in table) == (level != "none"), table
    if level == "none":
        assert isolation == "not isolated"
    else:
        assert isolation.startswith(f"{level} (files, network, "), isolation


@pytest.mark.parametrize("level", LEVELS)
def test_the_command_line_tells_the_level(
    level: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OPSIN_ISOLATION", level)
    monkeypatch.setenv("OPSIN_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    Path("trial.py").write_text(
        "from opsin.types import Image\ndef same(image: Image) -> Image:\n    return image\n"
    )
    write_image(layer(PIXELS).image, Path("a.ome.zarr"))
    assert main(("run", "trial.py:same", "a.ome.zarr", "-o", "b.ome.zarr")) == 0
    said = capsys.readouterr().err
    assert ("trial was not isolated: it could read and write all your files." in said) == (
        level == "none"
    )
    main(("runs",))
    line = capsys.readouterr().out
    assert ("not isolated" if level == "none" else level) in line
    main(("runs", "--json"))
    (told,) = json.loads(capsys.readouterr().out)
    assert told["isolation"].partition(" (")[0] == ("not isolated" if level == "none" else level)
