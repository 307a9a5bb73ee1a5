"""Worker for napari's plugins: runs their functions with napari's data types, and without a window.

A plugin's module may import Qt, define widgets and connect their signals: all of that is harmless
here. `magicgui` and `magic_factory` leave functions what they are. Whoever *uses* something of Qt
gets an error that says so. Progress that a plugin reports to napari is the job's, and what it tells
the user stands in the job's log.

As `opsin.worker_main`, this needs the standard library, NumPy and `opsin.{errors, types}` only; and
napari where a plugin does.
"""

from __future__ import annotations

import functools
import importlib
import importlib.abc
import importlib.machinery
import inspect
import math
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from opsin.errors import PluginError, UsageError
from opsin.rpc.lazy_source import lazy
from opsin.types import progress

QT = {"PyQt5", "PyQt6", "PySide2", "PySide6", "pyqtgraph", "qtawesome", "qtpy", "superqt"}
"""Packages that need a window, at the top level."""
WINDOWS = ("magicgui.backends._qtpy", "napari._qt", "napari.qt", "napari.window")
"""Modules of other packages that do."""
KINDS = ("image", "labels", "points", "shapes", "surface", "tracks", "vectors")
MOST_LAYERS = 100
_DECORATING = {"Property", "Slot", "pyqtProperty", "pyqtSlot"}
_HARMLESS = {"Signal", "SignalInstance", "pyqtSignal"}
_SAID = ("axis_labels", "blending", "channel_axis", "colormap", "contrast_limits", "gamma",
         "name", "opacity", "rgb", "scale", "translate", "units", "visible")  # fmt: skip
"""What is passed on of a layer, where it is plain."""


def prepared(entry: str, role: str) -> tuple[Callable[..., Any], types.ModuleType]:
    """The function `module:name` of a plugin as something to call, and the module that defines it.

    With `()` behind it, it makes the widget of a function, and that function is meant. A `reader`
    is called with `path`, a `sample` with nothing. A `first reader` is one of several that are
    asked: it gives no layers if it does not read a file.

    Raises:
        PluginError: there is no such function. Importing the module raises whatever it does.
    """
    prepare()
    name, _, attribute = entry.removesuffix("()").partition(":")
    module = importlib.import_module(name)
    found: Any = getattr(module, attribute, None)
    if entry.endswith("()") and found is not None:
        found = found()
    if isinstance(found, PlainFunction):
        found = found.function
    if not callable(found):
        raise PluginError(f"{name} has no function {attribute}.")
    if role in ("reader", "first reader"):
        return functools.partial(_read, found, insist=role == "reader"), module
    return found, sys.modules.get(getattr(found, "__module__", name), module)


def _read(get_reader: Callable[[str], Any], path: str, *, insist: bool) -> Any:
    """What a reader of napari gives of a file: it is asked for a function, which then reads."""
    read = get_reader(path)
    if read is None and not insist:
        return []
    if read is None:
        raise PluginError(f"This plugin says that it does not read {path}.")
    return read(path)


@functools.cache
def prepare() -> None:
    """Have modules that are imported from now on find no window."""
    sys.meta_path.insert(0, _Finder())
    for name, patch in _PATCHES.items():
        if name in sys.modules:
            patch(sys.modules[name])


# ------------------------------------------------------------------------------ what is imported


class _Finder(importlib.abc.MetaPathFinder):
    """Gives stand-ins for what needs a window, and has some modules of napari changed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] in QT or any(
            name == one or name.startswith(f"{one}.") for one in WINDOWS
        ):
            return importlib.machinery.ModuleSpec(name, _StandIns(), is_package=True)
        if name not in _PATCHES:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = None if finder is self or find is None else find(name, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _Changed(spec.loader, _PATCHES[name])
                return spec  # type: ignore[no-any-return]
        return None


class _Changed(importlib.abc.Loader):
    """Loads a module as it would be, and changes it."""

    def __init__(self, loader: Any, patch: Callable[[Any], None]) -> None:
        self._loader = loader
        self._patch = patch

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        self._loader.exec_module(module)
        self._patch(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


class _StandIns(importlib.abc.Loader):
    """Loads a module every name of which is a stand-in."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _StandInModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        module.__path__ = []


class _StandInModule(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _stand_in(name)


class _StandIn(type):
    """A class that can be named, combined and derived from, but of which there are no objects."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _stand_in(name)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise UsageError(
            f"This plugin wants a window ({cls.__name__} of Qt), and where Opsin runs it there is "
            "none: open it in napari."
        )

    def __or__(cls, other: Any) -> Any:
        return cls

    __and__ = __ror__ = __or__  # flags


def _stand_in(name: str) -> Any:
    if name in _HARMLESS:
        return lambda *args, **kwargs: Anything()
    if name in _DECORATING:
        return lambda *args, **kwargs: lambda function: function
    return _StandIn(name, (), {})


class Anything:
    """What a widget has, such as signals: whatever is done to it, nothing happens."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        alone = len(args) == 1 and not kwargs and isinstance(args[0], types.FunctionType)
        return args[0] if alone else Anything()  # it may be used as a decorator

    def __getitem__(self, key: Any) -> Any:
        return Anything()


class PlainFunction:
    """A function that magicgui would have made a widget, or a factory of widgets, of."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            inspect.signature(self.function).bind(*args, **kwargs)
        except TypeError:
            return self  # it is asked for a widget
        return self.function(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()


def _plain(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """In place of `magicgui` and `magic_factory`."""
    return PlainFunction if function is None else PlainFunction(function)


class _Progress:
    """In place of napari's progress bar, for loops, and for what moves it by itself."""

    def __init__(
        self,
        iterable: Iterable[Any] | None = None,
        desc: str | None = None,
        total: float | None = None,
        **options: Any,
    ) -> None:
        self.iterable = iterable
        self.total = total
        self.n = 0.0
        self.desc = desc or ""
        self._steps: Iterator[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        total = self.total if self.total is None else int(self.total)
        yield from progress(() if self.iterable is None else self.iterable, total, self.desc)

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, n: float = 1) -> None:
        """Go on by `n` steps."""
        if self._steps is None and self.total:
            self._steps = iter(progress(range(math.ceil(self.total)), None, self.desc))
            next(self._steps, None)
        self.n += n
        for _ in range(round(n) if self._steps is not None else 0):
            next(self._steps, None)  # type: ignore[arg-type] # it is there

    def set_description(self, desc: str | None = None, **options: Any) -> None:
        """Say what is done now."""
        self.desc = desc or ""

    set_description_str = set_description

    def close(self) -> None:
        """End."""
        self._steps = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()


def _progrange(*numbers: int, **options: Any) -> _Progress:
    return _Progress(range(*numbers), **options)


def _print(*words: object, **options: object) -> None:
    print(*words)  # noqa: T201 # the log of the job


def _change(**members: Any) -> Callable[[Any], None]:
    def patch(module: Any) -> None:
        for name, value in members.items():
            setattr(module, name, value)

    return patch


_PATCHES: dict[str, Callable[[Any], None]] = {
    "magicgui.type_map._magicgui": _change(magicgui=_plain, magic_factory=_plain),
    "napari.utils.notifications": _change(
        show_info=_print, show_warning=_print, show_error=_print, show_debug=_print
    ),
    "napari.utils.progress": _change(progress=_Progress, progrange=_progrange),
}

# --------------------------------------------------------------------------------------- layers


def as_layers(values: dict[str, Any], layers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Those of `values` that `layers` names, as layers of napari, each of that kind and place."""
    if not layers:
        return {}
    prepare()
    made = importlib.import_module("napari.layers")
    given: dict[str, Any] = {}
    for name, about in layers.items():
        value = values.get(name)
        if value is None:
            given[name] = None
            continue
        kind = str(about["kind"])
        options: dict[str, Any] = {"name": about.get("name") or name}
        axes = tuple(about.get("axes") or ())
        if kind in ("image", "labels") and axes and len(axes) == value.ndim:
            options |= {"scale": about["scale"], "translate": about["translation"]}
            with suppress(Exception):  # napari may not know a unit
                units = tuple(one or "pixel" for one in about["units"])
                given[name] = getattr(made, kind.capitalize())(
                    value, **options, units=units, axis_labels=axes
                )
                continue
        given[name] = getattr(made, kind.capitalize())(value, **options)
    return given


def layers_of(function: str, value: Any) -> list[dict[str, Any]]:
    """What a function gave, as layers: `kind`, `data`, and what else is said of each.

    Takes what napari takes: a layer, a tuple of data, attributes and type, an array, or a list of
    these; None is no layer.

    Raises:
        PluginError: it is something else.
    """
    if value is None:
        return []
    alone = isinstance(value, np.ndarray) or _is_tuple(value) or _is_layer(value)
    values = [value] if alone or not isinstance(value, (list, tuple)) else list(value)
    if len(values) > MOST_LAYERS:
        raise PluginError(f"{function} gave {len(values)} layers, which is too many.")
    return [_layer(function, one) for one in values if one is not None]


def tuples_of(function: str, value: Any) -> list[dict[str, Any]]:
    """What a reader gave, as it is: `kind`, `data` or its levels, and `meta`, what is said of them.

    Arrays that are read in parts, such as those of Dask, are not read: they are looked into from
    the other side of the link. `data` None: there are none.

    Raises:
        PluginError: it is something else, or holds no numbers.
    """
    given = list(value) if isinstance(value, (list, tuple)) else [value]
    if len(given) > MOST_LAYERS:
        raise PluginError(f"{function} gave {len(given)} layers, which is too many.")
    found = []
    for one in given:
        data, *more = one.as_layer_data_tuple() if _is_layer(one) else _as_tuple(one)
        about = dict(more[0]) if more and isinstance(more[0], dict) else {}
        kind = str(more[1]).lower() if len(more) > 1 else "image"
        said = {name: _as_plain(about[name]) for name in (*_SAID, "multiscale") if name in about}
        meta = {name: one for name, one in said.items() if one is not None}
        if _is_turned(about):
            meta["rotate"] = True
        if kind not in ("image", "labels"):
            data = None
        found.append({"kind": kind, "meta": meta, "data": _unread(function, data)})
    return found


def _as_tuple(value: Any) -> Sequence[Any]:
    return value if isinstance(value, tuple) else (value,)


def _unread(function: str, data: Any) -> Any:
    """Arrays as they can be sent, levels as a list."""
    if data is None:
        return None
    if isinstance(data, (list, tuple)) or type(data).__name__ == "MultiScaleData":
        return [_unread(function, level) for level in data]
    if type(data).__module__.partition(".")[0] == "xarray":
        data = data.data
    is_array = all(hasattr(data, name) for name in ("shape", "dtype", "__getitem__"))
    if is_array and not isinstance(data, (np.ndarray, np.generic)):
        return lazy(data)
    array = np.asarray(data)
    if array.dtype.kind not in "biufc":
        raise PluginError(f"{function} gave a layer that holds {array.dtype}, and no numbers.")
    return array


def _is_layer(value: Any) -> bool:
    return hasattr(value, "as_layer_data_tuple")


def _is_tuple(value: Any) -> bool:
    """Whether this is one of napari's layer tuples, and not several of them."""
    if not isinstance(value, tuple) or not 1 <= len(value) <= 3:
        return False
    if len(value) == 1:
        return hasattr(value[0], "shape")
    return isinstance(value[1], dict) and (len(value) == 2 or isinstance(value[2], str))


def _layer(function: str, value: Any) -> dict[str, Any]:
    if _is_layer(value):
        value = value.as_layer_data_tuple()
    data, *more = value if _is_tuple(value) else (value,)
    about = dict(more[0]) if more else {}
    kind = str(more[1]).lower() if len(more) > 1 else "image"
    if kind not in KINDS:
        raise PluginError(f"{function} gave a layer of a kind that there is not: {kind}.")
    said = {name: _as_plain(about[name]) for name in _SAID if name in about}
    layer = {name: one for name, one in said.items() if one is not None}
    layer |= {"kind": kind, "data": _data(function, kind, data)}
    if _is_turned(about):
        layer["turned"] = True
    features = about.get("features", about.get("properties"))
    if kind in ("points", "tracks", "vectors") and features is not None:
        with suppress(Exception):  # whatever it is
            layer["features"] = {str(one): np.asarray(features[one]).tolist() for one in features}
    return layer


def _data(function: str, kind: str, data: Any) -> Any:
    if kind in ("shapes", "surface"):
        return [np.asarray(part) for part in data]
    levels = isinstance(data, (list, tuple)) or type(data).__name__ == "MultiScaleData"
    if levels and kind in ("image", "labels") and len(data) and hasattr(data[0], "shape"):
        data = data[0]  # the finest; coarser ones are made when it is written
    array = np.asarray(data)
    if array.dtype.kind not in "biufc":
        raise PluginError(f"{function} gave a layer that holds {array.dtype}, and no numbers.")
    if kind == "labels" and array.dtype == np.bool_:
        return array.view(np.uint8)
    if kind == "labels" and array.dtype.kind not in "iu":
        raise PluginError(f"{function} gave labels that are {array.dtype}: whole numbers are.")
    return array


def _is_turned(about: dict[str, Any]) -> bool:
    """Whether a layer is rotated or sheared, or placed by a matrix."""
    for name in ("affine", "rotate", "shear"):
        value = about.get(name)
        if value is None:
            continue
        with suppress(Exception):
            matrix = np.asarray(getattr(value, "affine_matrix", value), np.float64)
            square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
            if not np.allclose(matrix, np.eye(len(matrix)) if square else 0):
                return True
    return False


def _as_plain(value: Any) -> Any:
    """Texts, numbers and lists of them; None for all else."""
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.ndim <= 2 and value.size < 1000:
        return value.tolist()
    if isinstance(value, (list, tuple)) and len(value) < 1000:
        parts = [_as_plain(one) for one in value]
        return None if any(part is None for part in parts) else parts
    text = str(getattr(value, "name", "")) or (
        str(value) if "pint" in type(value).__module__ else ""
    )
    return text or None
