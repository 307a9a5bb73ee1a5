"""`opsin snapshot --volume`, as somebody types it."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from opsin.chunks.volume_camera import VolumeCamera, fit_volume, looking
from opsin.cli import main
from opsin.images.layer import layers_of
from opsin.images.readers import open_image
from opsin.images.source import Array
from opsin.render.snapshot import snapshot

VOLUME = "tests/data/volume/img3d.tif"


def picture(tmp_path: Path, *options: str) -> Array:
    out = tmp_path / "out.png"
    assert main(["snapshot", VOLUME, str(out), *options]) == 0
    return imagecodecs.png_decode(out.read_bytes())


def test_a_volume_from_any_side(tmp_path: Path) -> None:
    with open_image(VOLUME) as image:
        turned = fit_volume(layers_of(image), (60, 50), looking(30, 20, 10), 40)
        np.testing.assert_array_equal(
            picture(
                tmp_path, "--volume", "--mode", "translucent", "--rotate", "30,20,10",
                "--perspective", "40", "--size", "60x50", "--memory", "64M",
            ),
            snapshot(image, turned, mode="translucent"),
        )  # fmt: skip
        near = VolumeCamera((10, 20, 30), 3.0, (40, 30))
        np.testing.assert_array_equal(
            picture(tmp_path, "--volume", "--center", "10,20,30", "--zoom", "3", "--size=40x30"),
            snapshot(image, near, mode="mip"),
        )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--mode", "mip"], "--mode is for volumes"),
        (["--rotate", "30"], "--rotate is for volumes"),
        (["--memory", "64M"], "--memory is for volumes"),
        (["--volume", "--mode", "xray"], "no mode 'xray'"),
        (["--volume", "--center", "1,2"], "--center needs 3 numbers here: Z,Y,X"),
        (["--center", "1,2,3"], "--center needs 2 numbers here: Y,X"),
        (["--volume", "--perspective", "200"], "0 to 150 degrees"),
        (["--volume", "--position", "z=3"], "no slider 'z'"),
        (["--volume", "--level", "1"], "no level 1"),
    ],
)
def test_wrong_usage_is_one_sentence(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["snapshot", VOLUME, str(tmp_path / "out.png"), *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("angles", ["", "a", "1,2,3,4", "nan", "30,inf"])
def test_angles_that_are_none(angles: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["snapshot", VOLUME, str(tmp_path / "out.png"), "--volume", f"--rotate={angles}"])


@pytest.mark.parametrize("box", ["", "1:2,3:4", "2:1,:,:", "a:1,:,:", "0:inf,:,:"])
def test_boxes_that_are_none(box: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["snapshot", VOLUME, str(tmp_path / "out.png"), "--volume", f"--clip={box}"])


def test_a_box_is_cut_out(tmp_path: Path) -> None:
    whole, part = picture(tmp_path, "--volume"), picture(tmp_path, "--volume", "--clip=:,10:30,:")
    rows = np.flatnonzero(part.any(axis=(1, 2)))
    assert 0 < len(rows) < 0.5 * len(whole)
    np.testing.assert_array_equal(part[rows[1:-1]], whole[rows[1:-1]])


def test_a_picture_is_no_volume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat = "tests/data/nuclei/test/images/000.png"
    assert main(["snapshot", flat, str(tmp_path / "out.png"), "--volume"]) == 2
    assert "no volume" in capsys.readouterr().err
