"""Input choosers: which layer of a viewer an operation gets for each of its inputs."""

from __future__ import annotations

from typing import Any

from magicgui import widgets

from opsin.errors import OpsinError, UsageError
from opsin.images.points.rows import ROWS, RowsKind
from opsin.napari.given import HIDDEN, PIXELS, Given, given, type_of
from opsin.napari.given_rows import RowsGiven, TableFile, fits_rows, given_rows
from opsin.napari.jobs import jobs_of
from opsin.plugins.manifest import Input, Operation


class InputChoosers:
    """A chooser of layers for each input of an operation.

    What they hold are the `id`s of layers: Qt would keep layers for as long as it likes.

    Attributes:
        by_name: of the input.
    """

    def __init__(self, viewer: Any, operation: Operation) -> None:
        self._viewer = viewer
        self._operation = operation
        self._proposed: set[str] = set()
        self.by_name: dict[str, Any] = {one.name: self._chooser(one) for one in operation.inputs}

    def layer(self, name: str) -> Any:
        """The layer that is chosen for an input; None: none is."""
        chosen = self.by_name[name].value
        return next((one for one in self._all() if _key(one) == chosen), None)

    def choose(self, name: str, layer: Any) -> None:
        """Choose a layer for an input, or None for one that is optional."""
        self.by_name[name].value = None if layer is None else _key(layer)

    def propose(self) -> None:
        """Choose a layer for inputs that have none: the selected one, else the top one shown.

        No layer twice while there are others. Optional inputs get none.
        """
        selected = self._viewer.layers.selection
        used: list[Any] = []
        for one in self._operation.inputs:
            layers = self._fitting(one)
            if one.optional or not layers:
                continue
            if one.name not in self._proposed:
                self._proposed.add(one.name)
                ranked = [layer for layer in layers if layer in selected]
                ranked += [layer for layer in layers if layer.visible] + layers
                self.choose(
                    one.name, next((each for each in ranked if each not in used), ranked[0])
                )
            used.append(self.layer(one.name))

    def leading(self) -> Given | None:
        """The input whose levels and axes there are to choose from, to be closed; None: none."""
        for one in self._operation.inputs:
            layer = self.layer(one.name)
            if layer is not None and one.kind in PIXELS:
                try:
                    return given(layer, frozen=False)
                except OpsinError:
                    return None
        return None

    def givens(self, *, frozen: bool = True) -> dict[str, Given | RowsGiven]:
        """All inputs, to be closed.

        Args:
            frozen: see `given`.

        Raises:
            UsageError: one is missing, or cannot be given.
        """
        found: dict[str, Given | RowsGiven] = {}
        try:
            for one in self._operation.inputs:
                layer = self.layer(one.name)
                if layer is None and not one.optional:
                    raise UsageError(_no_layer(one))
                if layer is not None and one.kind in ROWS:
                    found[one.name] = given_rows(layer, one.kind)
                elif layer is not None:
                    found[one.name] = given(layer, frozen=frozen)
        except BaseException:
            for each in found.values():
                each.close()
            raise
        return found

    def _fitting(self, one: Input) -> list[Any]:
        """The layers of its kind, top layer first; before them tables of jobs, the latest first."""
        if one.kind in ROWS:
            kind: RowsKind = one.kind
            return [layer for layer in self._all() if fits_rows(layer, kind)]
        return [layer for layer in self._all() if type_of(layer) == one.kind]

    def _all(self) -> list[Any]:
        """All that could be chosen."""
        tables = [
            TableFile(result.path, f"{result.name} · {step.title}", result.rows or 0)
            for step in reversed(jobs_of(self._viewer).steps)
            for result in (step.job.results if step.job is not None else ())
            if result.kind == "table"
        ]
        layers = reversed(self._viewer.layers)
        return [*tables, *(layer for layer in layers if not layer.metadata.get(HIDDEN))]

    def _chooser(self, one: Input) -> Any:
        def choices(_: Any) -> list[tuple[str, int | str]]:
            return [(layer.name, _key(layer)) for layer in self._fitting(one)]

        chooser = widgets.ComboBox(
            name=one.name, label=one.title, choices=choices, nullable=one.optional
        )
        chooser.tooltip = one.description
        return chooser


def _no_layer(one: Input) -> str:
    if one.kind == "image":
        return f"{one.title}: no image is open."
    if one.kind == "labels":
        return f"{one.title}: no labels are open. They come from a file, a plugin, or your brush."
    if one.kind == "table":
        return (
            f"{one.title}: no table is here. One comes from a plugin, or with a layer's features."
        )
    if one.kind in ROWS:
        return f"{one.title}: no layer of {one.kind} is open."
    return f"{one.title}: a plugin can be given {one.kind} from Python only."


def _key(layer: Any) -> int | str:
    """What a layer, or a table of a job, is called in a chooser."""
    return str(layer.path) if isinstance(layer, TableFile) else id(layer)
