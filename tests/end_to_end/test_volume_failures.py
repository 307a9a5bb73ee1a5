"""Bricks of a volume that cannot be had: marked like those of slices, and there after a retry."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from opsin.chunks.volume_camera import looking
from opsin.images.memory import image_from_array
from opsin.images.write import write_image
from tests.end_to_end.app import App
from tests.end_to_end.test_bad_input import http_folder
from tests.end_to_end.volumes import show
from tests.server.running import opsin_view


def test_they_are_marked_and_come_after_a_retry(app: App, tmp_path: Path) -> None:
    z, y, x = np.ogrid[:128, :128, :128]
    values = (100 + 50 * np.sin(z / 9) * np.sin(y / 9) * np.sin(x / 9)).astype(np.uint8)
    write_image(
        image_from_array(values, axes="zyx", name="waves"), tmp_path / "waves.zarr",
        levels=2, halve="zyx", chunks=64,
    )  # fmt: skip
    broken = True
    with (
        http_folder(tmp_path, lambda path: broken and "/0/c/0/1/1" in path) as (address, _),
        opsin_view([f"{address}/waves.zarr"]) as server,
    ):
        app.open(server, bare="")
        app.set_layer(0, colormap="gray", contrast=(0, 255))
        app.watch()
        how = {"mode": "mip", "orientation": looking(30, 20), "perspective": 40}
        show(app, times=1.3, **how)
        assert app.page.evaluate("window.stats.failed") == 1
        (failure,) = app.page.evaluate("window.failures")
        assert failure["level"] == 0
        picture = app.capture().astype(int)
        coloured = picture.max(axis=2) - picture.min(axis=2) > 20
        assert 0.02 < coloured.mean() < 0.15, "stripes, in a colour which grey data has not"
        rows, columns = np.nonzero(coloured)
        assert rows.mean() > 0.5 * len(picture), "below"
        assert columns.mean() > 0.5 * picture.shape[1], "and at the right"
        stripe = (columns - rows) % 14
        assert len(set(stripe.tolist())) <= 4, "of one width, all over"
        data = np.asarray(~coloured & (picture.max(axis=2) > 60))
        assert data.mean() > 0.3, "the others are shown, and the coarser level there"
        broken = False
        app.page.evaluate("window.opsin.viewer.retryFailed()")
        app.until("window.stats.failed === 0 && window.stats.settled", 30)
        app.settle()
        after = app.capture().astype(int)
        assert (after.max(axis=2) == after.min(axis=2)).all()
        assert (after.max(axis=2) > 60).mean() > 0.4
