"""Manifest: everything that is known of a plugin without running it, as one model.

Formats (`opsin.plugins.formats`) make it; forms, the command line, hosts and workers read it. In
JSON it has the fields below, and those of a parameter are the keywords of JSON Schema.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType, structs

from opsin.errors import PluginError, Reason, UsageError
from opsin.types import Axes, KindName

ImjoyKind: TypeAlias = Literal[
    "native-python",
    "web-python",
    "web-worker",
    "window",
    "iframe",
    "rpc-window",
    "rpc-worker",
    "collection",
]
PluginKind: TypeAlias = ImjoyKind | Literal["napari"]
Role: TypeAlias = Literal["function", "reader", "sample"]
OutputKind: TypeAlias = KindName | Literal["layers"]
PermissionName: TypeAlias = Literal["files", "gpu", "network", "processes"]
ParameterType: TypeAlias = Literal["number", "integer", "boolean", "string"]
Scalar: TypeAlias = bool | int | float | str | None

LARGEST_INTEGER = 2**53
"""Whole numbers beyond this are not the same in every language."""
DEFAULT_AXES = "yx"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""Of JSON Schema, in which a manifest is described."""


class Permission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a plugin wants to be allowed, and why."""

    name: PermissionName
    reason: str = ""


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An array or table that an operation takes.

    `axes` are those it works on, one letter each, in array order; None if it declares none (`yx`,
    or `zyx` when asked for 3D). A `lazy` one is indexed instead of read whole. With `as_layer` the
    function gets a layer of napari that holds the array, and not the array.
    """

    name: str
    kind: KindName
    title: str
    description: str = ""
    axes: str | None = None
    lazy: bool = False
    optional: bool = False
    as_layer: bool = False


class FileInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that an operation can be given, as plugins of ImJoy do.

    `extensions` are endings of its name, in lower case and without a dot; `types` are MIME types
    such as `text/csv` or `image/*`; empty: any. `smallest` and `largest` are bytes.
    """

    name: str
    title: str
    extensions: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    smallest: int = 0
    largest: int | None = None


class Output(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An array or table that an operation gives. `axes` None: those of its first input.

    An output of kind `layers` is the only one, and stands for any number of layers, each with data,
    a kind and a place of its own (napari's `LayerDataTuple`).
    """

    kind: OutputKind
    title: str
    description: str = ""
    axes: str | None = None


class Parameter(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={
        "exclusive_minimum": "exclusiveMinimum",
        "exclusive_maximum": "exclusiveMaximum",
        "multiple_of": "multipleOf",
    },
):
    """A plain value that an operation takes.

    A parameter without `default` must be given; a `nullable` one may be None. `enum` are the
    values to choose from. `step` and `unit` are for forms only.

    Two types of Python are strings here, and whoever calls the function makes them: with
    `format="path"` it takes a `pathlib.Path`; with `enum_class="Method"` a member of the class of
    that name in the plugin's file. `enum` has the names of the members, and `enum_values` what
    they stand for, in the same order (None where that is no plain value).
    """

    name: str
    type: ParameterType
    title: str
    description: str = ""
    default: Scalar | UnsetType = UNSET
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None
    multiple_of: float | None = None
    enum: tuple[Scalar, ...] = ()
    format: Literal["path"] | None = None
    enum_class: str | None = None
    enum_values: tuple[Scalar, ...] = ()
    step: float | None = None
    unit: str | None = None

    @property
    def required(self) -> bool:
        """Whether a run must give a value."""
        return self.default is UNSET


class Operation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A function of a plugin that a user can run.

    All of `inputs`, `parameters` and `metadata` are given by name. `metadata` maps the name of a
    `Metadata` parameter to the input that it is about. One output is returned as it is, several
    as a tuple. `line` is where the function stands in the file, from 1.

    `entry` is the function as `module:name`, if it stands in a module of a package and not in the
    plugin's file. A `role` other than `function` tells how it is called: a `reader` of napari gets
    a path and gives a function that reads it, a `sample` gets nothing. `refused` says why Opsin
    cannot run the operation, and `reason` the same in one word; empty: it can. `is_widget`:
    magicgui makes a widget of it where it is defined, so that others cannot just call it. `files`
    are given in the browser app alone.
    """

    name: str
    title: str
    description: str = ""
    inputs: tuple[Input, ...] = ()
    files: tuple[FileInput, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    outputs: tuple[Output, ...] = ()
    metadata: dict[str, str] = {}
    wants_progress: bool = False
    line: int = 0
    entry: str = ""
    role: Role = "function"
    refused: str = ""
    reason: Reason = ""
    is_widget: bool = False

    @property
    def wants_metadata(self) -> bool:
        """Whether it asks where its inputs lie in the world."""
        return bool(self.metadata)

    @property
    def axes(self) -> str:
        """The axes that it works on: those of its first image or labels."""
        pixels = (input for input in self.inputs if input.kind in ("image", "labels"))
        first = next(pixels, None)
        return (first and first.axes) or DEFAULT_AXES

    def along(self, axes: str) -> Operation:
        """The same operation, asked to work on these axes, as it declares none.

        Raises:
            UsageError: these are no axes, or it declares others.
        """
        Axes(axes)
        pixels = [given for given in self.inputs if given.kind in ("image", "labels")]
        if any(given.axes not in (None, axes) for given in pixels) or not pixels:
            raise UsageError(f"{self.title} works on axes of its own: leave them out.")
        inputs = tuple(
            structs.replace(given, axes=axes) if given in pixels else given for given in self.inputs
        )
        return structs.replace(self, inputs=inputs)

    def form(self) -> dict[str, Any]:
        """A JSON Schema of the values of its parameters, as one object."""
        return {
            "type": "object",
            "title": self.title,
            "properties": {parameter.name: _schema(parameter) for parameter in self.parameters},
            "required": [parameter.name for parameter in self.parameters if parameter.required],
            "additionalProperties": False,
        }


class Plugin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plugin.

    `requirements` are its packages, each as pip understands it; `python` the versions of Python
    that it runs with, such as `>=3.11` (empty: any). `repositories` are addresses of git
    repositories that lie in its working folder, by the folder there. `source` is where it was read
    from, as it was given, and `digest` the SHA-256 of what stood there, in hexadecimal digits.
    `labels` are words by which people look for it.
    """

    name: str
    kind: PluginKind
    source: str
    digest: str
    version: str = "0"
    description: str = ""
    python: str = ""
    requirements: tuple[str, ...] = ()
    repositories: dict[str, str] = {}
    permissions: tuple[Permission, ...] = ()
    operations: tuple[Operation, ...] = ()
    labels: tuple[str, ...] = ()

    def operation(self, name: str | None = None) -> Operation:
        """The operation called `name`, or, if none is named, the only one.

        Raises:
            PluginError: there is no such operation, or it is not clear which one is meant.
        """
        known = [operation.name for operation in self.operations]
        if name is None and len(known) == 1:
            return self.operations[0]
        if name is None:
            names = ", ".join(known)
            raise PluginError(f"{self.source} has several operations: add one of :{names}.")
        if name not in known:
            names = ", ".join(known)
            raise PluginError(f"{self.source} has no operation {name!r}: it has {names}.")
        return self.operations[known.index(name)]


def _schema(parameter: Parameter) -> dict[str, Any]:
    """What JSON Schema says of one parameter."""
    schema: dict[str, Any] = msgspec.to_builtins(parameter)
    for ours in ("name", "nullable", "enum_class", "enum_values"):
        schema.pop(ours, None)
    if parameter.enum:
        schema["enum"] = [*parameter.enum, *[None] * parameter.nullable]
    if parameter.nullable:
        schema["type"] = [parameter.type, "null"]
    return schema


def schema() -> dict[str, Any]:
    """The JSON Schema of a manifest, as `docs/reference/manifest.schema.json` publishes it."""
    found = msgspec.json.schema(Plugin)
    for one in found["$defs"].values():
        one["description"] = cleandoc(one["description"])
    return {"$schema": DIALECT, "title": "Manifest of a plugin of Opsin", **found}


def encode(plugin: Plugin) -> bytes:
    """The manifest as JSON."""
    return msgspec.json.encode(plugin)


def decode(document: bytes | str) -> Plugin:
    """The plugin that a manifest in JSON describes.

    Raises:
        PluginError: it is not a manifest.
    """
    try:
        return msgspec.json.decode(document, type=Plugin)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise PluginError(f"That is no manifest of a plugin: {error}.") from error
