"""Annotations: what the type of a parameter or a result means, read from how it is written."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from opsin.errors import UsageError
from opsin.plugins.formats.python_file.names import Names
from opsin.plugins.manifest import Scalar
from opsin.types import Axes

Role: TypeAlias = Literal["data", "parameter", "metadata"]

_DEEPEST = 20

_KINDS = ("Image", "Labels", "Points", "Shapes", "Surface", "Tracks", "Vectors", "Table")
_DATA: dict[str, dict[str, Any]] = {
    **{f"{module}.{kind}": {"kind": kind.lower()} for kind in _KINDS
       for module in ("opsin", "opsin.types")},
    **{f"napari.types.{kind}Data": {"kind": kind.lower()} for kind in _KINDS[:-1]},
    **{f"napari.layers.{kind}": {"kind": kind.lower(), "as_layer": True} for kind in _KINDS[:-1]},
    "napari.layers.Layer": {"kind": "image", "as_layer": True},
    "pandas.DataFrame": {"kind": "table"},
    "opsin.LazyImage": {"kind": "image", "lazy": True},
    "opsin.types.LazyImage": {"kind": "image", "lazy": True},
}  # fmt: skip
_PLAIN: dict[str, dict[str, Any]] = {
    "float": {"type": "number"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "str": {"type": "string"},
    "pathlib.Path": {"type": "string", "format": "path"},
}
_METADATA = {"opsin.Metadata", "opsin.types.Metadata"}
_LAYERS = {
    *(f"napari.layers.{kind}" for kind in ("Layer", *_KINDS[:-1])),
    *(f"napari.types.{name}" for name in ("FullLayerData", "LayerData", "LayerDataTuple")),
}
_LISTS = {"collections.abc.Iterable", "collections.abc.Sequence", "list", "typing.Iterable",
          "typing.List", "typing.Sequence"}  # fmt: skip
_ARRAYS = {"dask.array.Array", "numpy.array", "numpy.ndarray", "numpy.typing.ArrayLike",
           "numpy.typing.NDArray", "xarray.DataArray", "zarr.Array"}  # fmt: skip
_UNDERSTOOD = (
    "Image, Labels and the other names of opsin.types; "
    "float, int, bool, str, Path, Literal, an Enum of this file, and `X | None` of these"
)

_NOTES = {
    *(f"annotated_types.{name}" for name in ("Ge", "Gt", "Interval", "Le", "Lt", "MultipleOf")),
    *("annotated_doc.Doc", "typing.Doc", "typing_extensions.Doc"),
    *("opsin.Field", "opsin.types.Field", "msgspec.Meta", "pydantic.Field"),
}
"""Calls that say something about a value where they stand in `Annotated`."""
_KEYWORDS = {
    **{name: name for name in ("description", "exclusive_maximum", "exclusive_minimum", "maximum",
                               "minimum", "multiple_of", "step", "title", "unit")},
    "documentation": "description", "ge": "minimum", "gt": "exclusive_minimum",
    "le": "maximum", "lt": "exclusive_maximum",
    # as magicgui calls them
    "label": "title", "max": "maximum", "min": "minimum", "tooltip": "description",
}  # fmt: skip
_TEXTS = {"description", "title", "unit"}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an annotation says: the fields of an `Input`, `Output` or `Parameter` without a name."""

    role: Role
    fields: dict[str, Any] = field(default_factory=dict)
    nullable: bool = False


def meaning(node: ast.expr, names: Names, depth: int = 0) -> Meaning:
    """What the annotation `node` means.

    Raises:
        PluginError: it is not understood.
    """
    if depth > _DEEPEST:
        raise names.refused(node, "this type is nested too deeply: write it out.")
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return meaning(_parsed(node, node.value, names), names, depth + 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union([node.left, node.right], node, names, depth)
    if isinstance(node, ast.Subscript):
        return _subscript(node, names, depth)
    value = names.alias(node)
    if value is not None:
        return meaning(value, names, depth + 1)
    enum = names.enum(node)
    if enum is not None:
        members = enum.members
        if not members:
            raise names.refused(node, f"{enum.name} has no members to choose from: add some.")
        return Meaning(
            "parameter",
            {"type": "string", "enum": tuple(members), "enum_class": enum.name,
             "enum_values": tuple(members.values())},
        )  # fmt: skip
    dotted = names.dotted(node)
    if dotted in _DATA:
        return Meaning("data", dict(_DATA[dotted]))
    if dotted in _PLAIN:
        return Meaning("parameter", dict(_PLAIN[dotted]))
    if dotted in _METADATA:
        return Meaning("metadata")
    raise names.refused(node, _why_not(node, dotted, names))


def elements(node: ast.expr, names: Names) -> list[ast.expr]:
    """The types of the results in the annotation of a return: none, one, or those of a tuple."""
    for _ in range(_DEEPEST):
        value = names.alias(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node = _parsed(node, node.value, names)
        elif value is not None:
            node = value
        else:
            break
    if isinstance(node, ast.Constant) and node.value is None:
        return []
    if isinstance(node, ast.Subscript) and names.dotted(node.value) in ("tuple", "typing.Tuple"):
        return list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    return [node]


def gives_layers(node: ast.expr, names: Names, depth: int = 0) -> bool:
    """Whether a return's annotation is that of layers of napari, one or a list of them, or None."""
    if depth > _DEEPEST:
        return False
    value = names.alias(node)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        value = _parsed(node, node.value, names)
    if value is not None:
        return gives_layers(value, names, depth + 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        parts = [node.left, node.right]
    elif isinstance(node, ast.Subscript):
        outer = names.dotted(node.value)
        if outer in _LISTS:
            return gives_layers(node.slice, names, depth + 1)
        if outer not in ("typing.Optional", "typing.Union"):
            return False
        parts = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    else:
        return names.dotted(node) in _LAYERS
    kept = [part for part in parts if not _is_none(part)]
    return bool(kept) and all(gives_layers(part, names, depth + 1) for part in kept)


def _parsed(node: ast.expr, text: str, names: Names) -> ast.expr:
    """The annotation that stands in quotes."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (MemoryError, RecursionError, SyntaxError, ValueError) as error:
        raise names.refused(node, "the type in quotes is not Python.") from error
    for inner in ast.walk(tree):
        ast.copy_location(inner, node)
    return tree


def _union(parts: list[ast.expr], node: ast.expr, names: Names, depth: int) -> Meaning:
    """`X | None`, and the few unions that a form can show."""
    kept = [part for part in parts if not _is_none(part)]
    nullable = len(kept) < len(parts)
    meanings = [meaning(part, names, depth + 1) for part in kept]
    if not meanings:
        raise names.refused(node, f"None is no type of a value. Opsin understands {_UNDERSTOOD}.")
    merged = meanings[0]
    for other in meanings[1:]:
        pair = [one.fields.get("format") or one.fields.get("type") for one in (merged, other)]
        nullable = nullable or other.nullable
        plain = all(set(one.fields) <= {"format", "type"} for one in (merged, other))
        if plain and sorted(map(str, pair)) in (["integer", "number"], ["path", "string"]):
            wider = merged if pair[0] in ("number", "path") else other
            merged = replace(wider, nullable=merged.nullable)
        elif merged.fields != other.fields or merged.role != other.role:
            raise names.refused(node, "a value has one type, or that type or None: choose one.")
    return replace(merged, nullable=merged.nullable or nullable)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _subscript(node: ast.Subscript, names: Names, depth: int) -> Meaning:
    """`Annotated[…]`, `Literal[…]`, `Optional[…]`, `Union[…]`."""
    outer = names.dotted(node.value) or ""
    module, _, last = outer.rpartition(".")
    parts = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    if module in ("typing", "typing_extensions") and parts:
        if last == "Annotated":
            return annotated(meaning(parts[0], names, depth + 1), parts[1:], names)
        if last == "Literal":
            return _choices([names.literal(part) for part in parts], node, names)
        if last == "Optional":
            return _union([parts[0], ast.Constant(None)], node, names, depth)
        if last == "Union":
            return _union(parts, node, names, depth)
    raise names.refused(node, _why_not(node.value, outer, names))


def _choices(choices: list[Scalar], node: ast.expr, names: Names) -> Meaning:
    """The parameter that is one of `choices`."""
    nullable = None in choices
    kept = tuple(dict.fromkeys((type(choice), choice) for choice in choices if choice is not None))
    types = {kind for kind, _ in kept}
    plain = {str: "string", int: "integer", float: "number", bool: "boolean"}
    if len(types) != 1:
        raise names.refused(node, "choices are all texts or all numbers: make them one type.")
    enum = tuple(choice for _, choice in kept)
    return Meaning("parameter", {"type": plain[types.pop()], "enum": enum}, nullable)


def annotated(base: Meaning, notes: list[ast.expr], names: Names) -> Meaning:
    """`base` with what stands beside it in `Annotated`; notes for others are passed over."""
    fields = dict(base.fields)
    for note in notes:
        if isinstance(note, ast.Dict):
            for key, value in zip(note.keys, note.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "choices":
                    if not isinstance(value, (ast.List, ast.Tuple)):
                        raise names.refused(value, "choices are not a plain list: write one.")
                    chosen = _choices([names.literal(item) for item in value.elts], value, names)
                    if chosen.fields["type"] != fields.get("type"):
                        raise names.refused(value, "the choices are not of the type before them.")
                    fields.update(chosen.fields)
                elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                    _note(fields, key.value, value, names)
        elif isinstance(note, ast.Call):
            dotted = names.dotted(note.func) or ""
            if dotted in ("opsin.Axes", "opsin.types.Axes"):
                fields["axes"] = _axes(base, note, names)
            elif dotted in _NOTES:
                if note.args:  # Ge(0), Doc("…")
                    _note(fields, dotted.rpartition(".")[2].lower(), note.args[0], names)
                for keyword in note.keywords:
                    _note(fields, keyword.arg or "", keyword.value, names)
        lowest, highest = fields.get("minimum"), fields.get("maximum")
        if lowest is not None and highest is not None and lowest > highest:
            raise names.refused(note, "the minimum is more than the maximum: swap them.")
    return replace(base, fields=fields)


def _note(fields: dict[str, Any], key: str, value: ast.expr, names: Names) -> None:
    """Put one bound, title or the like into `fields`."""
    key = {"doc": "description", "multipleof": "multiple_of"}.get(key, key)
    if key not in _KEYWORDS or _is_none(value):
        return
    name = _KEYWORDS[key]
    if name in _TEXTS:
        fields[name] = names.text(value)
    elif fields.get("type") in ("integer", "number") and not fields.get("enum"):
        fields[name] = names.number(value)
        if name in ("multiple_of", "step") and fields[name] <= 0:
            raise names.refused(value, f"{name} must be more than 0.")
    else:
        raise names.refused(value, f"{name} is for numbers, and this is none: leave it out.")


def _axes(base: Meaning, note: ast.Call, names: Names) -> str:
    if base.fields.get("kind") not in ("image", "labels"):
        raise names.refused(note, "Axes belong to Image, Labels and LazyImage only.")
    if len(note.args) != 1 or note.keywords:
        raise names.refused(note, 'Axes take one text: write Axes("yx").')
    try:
        return Axes(names.text(note.args[0])).names
    except UsageError as error:
        raise names.refused(note, str(error)) from error


def _why_not(node: ast.expr, dotted: str | None, names: Names) -> str:
    """Why a type is not understood, and what to write instead."""
    if dotted in _ARRAYS:
        return (
            "an array's type does not say what the array means: write opsin.types.Image, Labels, "
            "Points …, or begin the function's name with _ if users shall not see it."
        )
    written = ast.unparse(node)[:60]
    if dotted and dotted.rpartition(".")[2] in _KINDS and "." not in dotted:
        return f"{written!r} is not imported: write `from opsin.types import {dotted}`."
    if dotted and "." not in dotted and not names.defines(node) and not hasattr(builtins, dotted):
        return f"{written!r} is neither imported nor defined in this file."
    return f"{written!r} is no type that Opsin understands. It understands {_UNDERSTOOD}."
