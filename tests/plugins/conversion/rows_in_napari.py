"""Run where a package is installed and Opsin is not: its widgets get points, shapes and tables."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tests.plugins.conversion.loaded_by_napari import NoOpsin


def main(package: str, folder: str) -> None:
    sys.meta_path.insert(0, NoOpsin())
    warnings.simplefilter("ignore")
    import napari.utils.notifications  # type: ignore[import-untyped]
    from napari.layers import Image, Labels, Points, Shapes  # type: ignore[import-untyped]
    from npe2 import PluginManager, PluginManifest
    from qtpy.QtWidgets import QApplication

    said: list[str] = []
    napari.utils.notifications.show_info = said.append
    app = QApplication([])
    manager = PluginManager.instance()
    manager.register(PluginManifest.from_distribution(package))
    make: dict[str, Any] = {one.display_name: one.get_callable() for one in manager.iter_widgets()}
    weights = {"weight": [1.5, 2.5, 3.5]}
    points = Points(
        [[1.0, 2.0], [1.5, 2.0], [8.0, 9.0]],
        scale=(2, 3), translate=(10, 0), features=weights, name="points",
    )  # fmt: skip
    image = Image(np.arange(200).reshape(10, 20), scale=(0.5, 0.5))
    on_image = Points([[1.0, 2.0], [4.0, 4.0], [30.0, 4.0]])
    shapes = Shapes([np.array([[0, 0], [0, 4], [2, 4], [2, 0]]),
                     np.array([[9, 9], [9, 12], [12, 9]])], shape_type="polygon")  # fmt: skip
    labels = Labels(np.array([[1, 1, 1, 0], [2, 2, 2, 2], [2, 0, 0, 0]]))
    file = Path(folder) / "table.csv"

    def table(name: str, **given: Any) -> list[str]:
        assert make[name]()(**given, table_file=file) == []
        return file.read_text().splitlines()

    def features(layer: Any) -> dict[str, list[Any]]:
        return {name: layer.features[name].tolist() for name in layer.features}

    told: dict[str, Any] = {}
    (moved,) = make["Moved"]()(points=points, by=0.5)
    told["moved"] = moved[0].tolist()
    told["means"] = table("Means", table=points)[:4]
    told["below"] = table("Below", image=image, points=on_image)
    told["areas"] = table("Areas", shapes=shapes)
    (drawn,) = make["Drawn"]()(points=on_image, size=32)
    told["drawn"] = list(drawn[0].shape)
    said.clear()
    assert make["Count near"]()(points=points, radius=1.5) == []
    told["near"] = features(points)
    assert make["Sized"]()(labels=labels) == []
    told["counted"] = features(labels)
    assert make["Areas"]()(shapes=shapes) == []
    app.quit()
    print(json.dumps({**told, "said": said}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
