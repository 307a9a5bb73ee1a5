"""Run where the package is installed and Opsin is not: napari makes the widget and calls it."""

from __future__ import annotations

import importlib.abc
import json
import sys
import warnings
from typing import Any

import numpy as np


class NoOpsin(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] == "opsin":
            raise ImportError("there is no opsin")


def main(package: str, folder: str) -> None:
    sys.meta_path.insert(0, NoOpsin())
    warnings.simplefilter("ignore")
    from magicgui import magicgui
    from napari.layers import Image  # type: ignore[import-untyped]
    from npe2 import PluginManager, PluginManifest
    from qtpy.QtWidgets import QApplication

    app = QApplication([])
    manager = PluginManager.instance()
    manager.register(PluginManifest.from_distribution(package))
    image = np.load(f"{folder}/image.npy")
    said: dict[str, Any] = {}
    for widget in manager.iter_widgets():
        make: Any = widget.get_callable()
        made = make()
        function: Any = manager.commands.get(widget.command)
        shown = magicgui(function)
        form = {}
        for one in shown:
            bounds = {name: getattr(one, name, None) for name in ("min", "max", "step")}
            choices = [str(choice) for choice in getattr(one, "choices", ())]
            form[one.name] = {"label": one.label, "value": str(one.value), **bounds}
            form[one.name]["choices"] = choices
        arguments = json.loads(sys.argv[3]).get(widget.display_name)
        if arguments is not None:
            first = next(iter(form))
            is_layer = "in_napari" in function.__name__
            data = Image(image, scale=(0.5, 0.25), translate=(3, 4)) if is_layer else image
            given = made(**{first: data}, **arguments)
            arrays = [one[0] for one in given] if isinstance(given, list) else [given]
            places = [
                np.asarray(one[1].get("scale", ())).tolist()
                for one in (given if isinstance(given, list) else ())
            ]
            for number, array in enumerate(arrays):
                np.save(f"{folder}/{widget.display_name}-{number}.npy", array)
            said[widget.display_name] = {"form": form, "places": places}
    app.quit()
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
