"""What is understood of a typed Python file, and what is said of what is not."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opsin.errors import PluginError
from opsin.plugins.formats import read_plugin
from opsin.plugins.formats.python_file import parse
from opsin.plugins.manifest import Input, Operation, Output, Parameter, Plugin


def plugin(source: str) -> Plugin:
    return parse(textwrap.dedent(source).encode(), "p.py")


def operation(source: str) -> Operation:
    return plugin(source).operation()


IMPORTS = """
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Literal, Optional, Union
import annotated_types as at, annotated_types, enum, msgspec, numpy as np, pathlib, typing as t
import numpy.typing as npt
import napari.types, opsin, opsin.types, opsin.types as ot
from napari.types import LabelsData as LD
from opsin.types import Axes, Field, Image, Labels, LazyImage, Metadata, Table
from pydantic import Field as PField
from typing_extensions import Doc
SIGMA = 2.5
NEGATIVE: int = -3
AGAIN = SIGMA
CHANGED = 1
CHANGED += 1
class Edge(Enum):
    "What lies beyond."
    MIRROR = "mirror"
    OTHER = enum.auto()
    WIDTH: int = 3
    _ignored = 1
    def method(self): ...
class Level(IntEnum):
    LOW = 1
class Plain: ...
Sigma = Annotated[float, Field(minimum=0, unit="px")]
Choice = Literal["a", "b"]
USUAL = Edge.WIDTH
"""


def of(parameters: str, result: str = "Labels") -> Operation:
    return operation(f"{IMPORTS}\ndef f({parameters}) -> {result}: ...\n")


def parameter(text: str) -> dict[str, Any]:
    """What is known of the parameter `text`, beyond its name, title and type."""
    (found,) = of(text).parameters
    known: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(found))
    assert (known.pop("name"), known.pop("title", "")) == ("x", "X")
    return known


EDGE = {
    "type": "string", "enum": ["MIRROR", "OTHER", "WIDTH"], "enum_class": "Edge",
    "enum_values": ["mirror", None, 3],
}  # fmt: skip
NUMBER = {"type": "number"}


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("x: float", NUMBER),
        ("x: int", {"type": "integer"}),
        ("x: bool = False", {"type": "boolean", "default": False}),
        ("x: str = ''", {"type": "string", "default": ""}),
        ("x: float = 2", {"type": "number", "default": 2.0}),
        ("x: float = +2.5e0", {"type": "number", "default": 2.5}),
        ("x: float = SIGMA", {"type": "number", "default": 2.5}),
        ("x: float = -1", {"type": "number", "default": -1.0}),
        ("x: float = AGAIN", {"type": "number", "default": 2.5}),
        ("x: int = NEGATIVE", {"type": "integer", "default": -3}),
        ("*, x: int = 3", {"type": "integer", "default": 3}),
        ("x: 'int' = 3", {"type": "integer", "default": 3}),
        ("x: 'Annotated[\"float\", Field(minimum=0)]'", {"type": "number", "minimum": 0}),
        ("x: int | None = None", {"type": "integer", "nullable": True, "default": None}),
        ("x: None | int", {"type": "integer", "nullable": True}),
        ("x: Optional[int] = 3", {"type": "integer", "nullable": True, "default": 3}),
        ("x: Union[int, None]", {"type": "integer", "nullable": True}),
        ("x: int = None", {"type": "integer", "nullable": True, "default": None}),
        ("x: int | float", NUMBER),
        ("x: float | int | None", {"type": "number", "nullable": True}),
        ("x: Path", {"type": "string", "format": "path"}),
        ("x: str | Path", {"type": "string", "format": "path"}),
        ("x: pathlib.Path = Path('a')", {"type": "string", "format": "path", "default": "a"}),
        ("x: Literal['a', 'b'] = 'a'", {"type": "string", "enum": ["a", "b"], "default": "a"}),
        ("x: t.Literal[1, 2, 2, -3]", {"type": "integer", "enum": [1, 2, -3]}),
        ("x: Literal['a', None]", {"type": "string", "enum": ["a"], "nullable": True}),
        ("x: Choice = 'b'", {"type": "string", "enum": ["a", "b"], "default": "b"}),
        ("x: Edge", EDGE),
        ("x: Edge = Edge.OTHER", {**EDGE, "default": "OTHER"}),
        ("x: Edge = USUAL", {**EDGE, "default": "WIDTH"}),
        ("x: 'Edge | None' = None", {**EDGE, "nullable": True, "default": None}),
        ("x: Sigma = 3", {"type": "number", "minimum": 0, "unit": "px", "default": 3.0}),
        ("x: Annotated[Sigma, Field(minimum=1)]", {"type": "number", "minimum": 1, "unit": "px"}),
        ("x: Annotated[float, at.Ge(0), annotated_types.Lt(SIGMA)]",
         {"type": "number", "minimum": 0, "exclusiveMaximum": 2.5}),
        ("x: Annotated[float, at.Interval(gt=0, le=1)]",
         {"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
        ("x: Annotated[int, at.MultipleOf(2)]", {"type": "integer", "multipleOf": 2}),
        ("x: Annotated[int, PField(3, ge=0, description='d')]",
         {"type": "integer", "minimum": 0, "description": "d"}),
        ("x: Annotated[int, msgspec.Meta(le=3)]", {"type": "integer", "maximum": 3}),
        ("x: Annotated[float, {'min': 0, 'max': 1, 'step': 0.1, 'widget_type': 'FloatSlider'}]",
         {"type": "number", "minimum": 0, "maximum": 1, "step": 0.1}),
        ("x: Annotated[str, {'choices': ['a', 'b'], 'tooltip': 'd'}]",
         {"type": "string", "enum": ["a", "b"], "description": "d"}),
        ("x: Annotated[int, Doc('two\\n words'), unknown(3), 4]",
         {"type": "integer", "description": "two words"}),
        ("x: Annotated[int | None, Field(minimum=1)] = None",
         {"type": "integer", "minimum": 1, "nullable": True, "default": None}),
    ],
)  # fmt: skip
def test_parameters(text: str, known: dict[str, Any]) -> None:
    assert parameter(text) == known


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("x: Image", {"kind": "image"}),
        ("x: ot.Labels", {"kind": "labels"}),
        ("x: opsin.types.Points", {"kind": "points"}),
        ("x: opsin.Image", {"kind": "image"}),
        ("x: 'Image'", {"kind": "image"}),
        ("x: Table", {"kind": "table"}),
        ("x: LazyImage", {"kind": "image", "lazy": True}),
        ("x: LD", {"kind": "labels"}),
        ("x: 'napari.types.ShapesData'", {"kind": "shapes"}),
        ("x: Image | None = None", {"kind": "image", "optional": True}),
        ("x: Annotated[Image, Axes('zyx')]", {"kind": "image", "axes": "zyx"}),
        ("x: Annotated[Image, Field(title='Cells', description='d')]",
         {"kind": "image", "title": "Cells", "description": "d"}),
    ],
)  # fmt: skip
def test_inputs(text: str, fields: dict[str, Any]) -> None:
    assert of(text).inputs == (Input(**{"name": "x", "title": "X", **fields}),)


@pytest.mark.parametrize(
    ("result", "outputs"),
    [
        ("Labels", [Output(kind="labels", title="Labels")]),
        ("'Labels'", [Output(kind="labels", title="Labels")]),
        ("Annotated[Labels, Axes('zyx')]", [Output(kind="labels", title="Labels", axes="zyx")]),
        ("tuple[Labels, Table]",
         [Output(kind="labels", title="Labels"), Output(kind="table", title="Table")]),
        ("t.Tuple[LD, ot.Tracks]",
         [Output(kind="labels", title="Labels"), Output(kind="tracks", title="Tracks")]),
        ("None", []),
    ],
)  # fmt: skip
def test_outputs(result: str, outputs: list[Output]) -> None:
    assert of("image: Image", result).outputs == tuple(outputs)


def test_metadata_is_about_the_input_that_it_is_named_after() -> None:
    found = of("a: Image, b: Image, m: Metadata, b_metadata: Metadata, c_metadata: Metadata")
    assert found.metadata == {"m": "a", "b_metadata": "b", "c_metadata": "a"}
    assert [one.name for one in found.inputs] == ["a", "b"]
    assert of("a: Image, m: Metadata | None = None").wants_metadata


def test_inputs_and_parameters_may_stand_in_any_order() -> None:
    found = of("x: int, image: Image, y: float = 1, *, mask: Labels")
    assert [one.name for one in found.inputs] == ["image", "mask"]
    assert [one.name for one in found.parameters] == ["x", "y"]
    assert [one.required for one in found.parameters] == [True, False]


def test_public_functions_with_types_are_operations() -> None:
    found = plugin(
        """
        from __future__ import annotations
        import typing
        if typing.TYPE_CHECKING:
            from opsin.types import Image
        else:
            from opsin.types import Image
        from somewhere import imported
        def _helper(image: Image) -> Image: ...
        def untyped(image): return image
        @typing.overload
        def smooth(image: Image) -> Image: ...
        @decorated(1)
        def smooth(image: Image, sigma: float = 1.0) -> Image:
            def inner(x: Image) -> Image: ...
        def noise() -> Image: ...
        class Class:
            def method(self, image: Image) -> Image: ...
        def noise(size: int) -> Image: ...
        """
    )
    assert [one.name for one in found.operations] == ["smooth", "noise"]
    assert [one.line for one in found.operations] == [14, 19]
    assert [len(one.parameters) for one in found.operations] == [1, 1]


def test_a_list_of_what_is_exported_chooses() -> None:
    text = """
        import numpy as np
        from opsin.types import *
        __all__ = ["smooth"]
        def smooth(image: Image) -> Image: ...
        def helper(image: np.ndarray) -> np.ndarray: ...
        """
    assert operation(text).name == "smooth"


def test_progress_is_seen_through_helpers() -> None:
    found = plugin(
        """
        from opsin.types import Image, progress
        import opsin.types as ot
        def by_itself(image: Image) -> Image:
            for x in progress(image): ...
        def by_helper(image: Image) -> Image:
            return _one(image)
        def silent(image: Image) -> Image: ...
        def _one(image): return [_two(x) for x in image]
        def _two(x): list(ot.progress(x))
        """
    )
    assert [one.wants_progress for one in found.operations] == [True, True, False]


@pytest.mark.parametrize(
    "body",
    [
        """
        Find nuclei.
        On two lines.

        More of it.

        Example:
            >>> nuclei(image)

        Args:
            image: what is
                looked at.
            sigma (float, optional): how smooth: 2
              is a lot.

            *rest: nothing
        Returns:
            sigma: not this
        """,
        """
        Find nuclei. On two lines.

        More of it.

        Parameters
        ----------
        image : Image
            what is looked at.
        sigma, other : float, default 2
            how smooth:

            2 is a lot.

        Returns
        -------
        sigma
            not this
        """,
    ],
    ids=["google", "numpy"],
)
def test_docstrings_describe(body: str) -> None:
    found = operation(
        f"""
        '''A plugin.

        With a second paragraph.
        '''
        from opsin.types import Image
        def nuclei(image: Image, sigma: float = 2.0) -> Image:
            '''{body.replace(chr(10), chr(10) + "    ")}'''
        """
    )
    assert found.description == "Find nuclei. On two lines.\n\nMore of it."
    assert found.inputs[0].description == "what is looked at."
    assert found.parameters[0].description == "how smooth: 2 is a lot."


def test_titles_are_made_from_names() -> None:
    found = operation("from opsin.types import *\ndef find_all(a: Image, min_size: int) -> None: 0")
    assert (found.title, found.parameters[0].title) == ("Find all", "Min size")


def test_a_file_without_a_header_has_a_name_all_the_same() -> None:
    found = plugin("'''Does it.'''\nfrom opsin.types import *\ndef f(a: Image) -> Image: ...")
    assert (found.name, found.version, found.requirements) == ("p", "0", ())
    assert (found.description, found.source) == ("Does it.", "p.py")
    assert len(found.digest) == 64


def test_a_byte_order_mark_and_other_line_ends_change_nothing() -> None:
    text = Path("examples/plugins/nuclei.py").read_text()
    plain, windows = (
        msgspec.structs.replace(parse(content, "p.py"), digest="")
        for content in (text.encode(), text.replace("\n", "\r\n").encode("utf-8-sig"))
    )
    assert plain == windows


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax came with Python 3.12")
def test_types_with_a_name_of_their_own() -> None:
    found = operation("from opsin.types import *\ntype X = Image\ndef f(x: X) -> X: ...")
    assert found.inputs[0].kind == "image"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "'x' of f has no type: add one"),
        ("x: np.ndarray", "an array's type does not say what the array means: write opsin.types."),
        ("x: npt.NDArray[np.uint8]", "an array's type does not say"),
        ("x: Points", "'Points' is not imported: write `from opsin.types import Points`."),
        ("x: Undefined", "'Undefined' is neither imported nor defined in this file."),
        ("x: list[int]", "'list' is no type that Opsin understands. It understands Image, "),
        ("x: Plain", "'Plain' is no type that Opsin understands."),
        ("x: int | str", "a value has one type, or that type or None: choose one."),
        ("x: Image | Labels", "a value has one type"),
        ("x: None", "'None' is no type that Opsin understands."),
        ("x: Optional[None]", "None is no type of a value."),
        ("x: 'int +'", "the type in quotes is not Python."),
        ("x: Literal[1, 'a']", "choices are all texts or all numbers: make them one type."),
        ("x: Literal[1, True]", "choices are all texts"),
        ("x: Literal[SIGMA()]", "this is not a plain value, and the file is not run to find out"),
        ("x: float = np.pi", "'np.pi' is not a plain value, and the file is not run to find out"),
        ("x: int = CHANGED", "'CHANGED' is not a plain value"),
        ("x: int = 'a'", "the default does not fit. x: 'a' is not a number."),
        ("x: float = 1e999", "this is not a text or a number of a usual size."),
        ("x: int = 99999999999999999999", "this is not a text or a number of a usual size."),
        ("x: int = -'a'", "this is not a plain number"),
        ("x: str = '\\ud800'", "this text holds half a character."),
        ("x: Sigma = -1", "the default does not fit. x: -1 is less than 0."),
        ("x: Edge = 'mirror'", "x: the default is a member, such as Edge.MIRROR."),
        ("x: Edge = Edge.NONE", "'Edge.NONE' is not a plain value"),
        ("x: Edge = Level.LOW", "'Level.LOW' is not a plain value"),
        ("x: Annotated[str, Field(minimum=1)]", "minimum is for numbers, and this is none"),
        ("x: Annotated[int, Field(minimum='a')]", "this is not a number: write one."),
        ("x: Annotated[int, Field(minimum=2, maximum=1)]", "the minimum is more than the maximum"),
        ("x: Annotated[int, Field(step=0)]", "step must be more than 0."),
        ("x: Annotated[int, Field(title=3)]", "this is not a text: put it in quotes."),
        ("x: Annotated[int, {'choices': ['a']}]", "the choices are not of the type before them."),
        ("x: Annotated[int, {'choices': SIGMA}]", "choices are not a plain list: write one."),
        ("x: Annotated[int, Axes('yx')]", "Axes belong to Image, Labels and LazyImage only."),
        ("x: Annotated[Image, Axes('yy')]", "Axes are different letters"),
        ("x: Annotated[Image, Axes('y', 'x')]", 'Axes take one text: write Axes("yx").'),
        ("x: Image = 3", "x has no default but None: drop it."),
        ("x: Image | None", "x may be None: add the default, `= None`."),
        ("x: Metadata", "x is about an input, and there is none."),
        ("*x: int", "f takes 'x' in a way that a form cannot give"),
        ("**x: int", "f takes 'x' in a way that a form cannot give"),
        ("x: int, /", "f takes 'x' in a way that a form cannot give"),
        ("x: " + "Annotated[" * 60 + "int" + ", 1]" * 60, "this type is nested too deeply"),
        ("x: " + "None | " * 60 + "int", "this type is nested too deeply"),
    ],
)
def test_what_is_not_understood_is_named_with_its_line(text: str, message: str) -> None:
    line = IMPORTS.count("\n") + 2
    with pytest.raises(PluginError) as caught:
        of(text)
    assert str(caught.value).startswith(f"p.py, line {line}: {message}")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "p.py, line 1: this file has no operation: annotate a public function"),
        ("def f(x): ...", "p.py, line 1: this file has no operation"),
        ("x = 1\ndef f(x: int)", "p.py, line 2: this is not Python: expected ':'."),
        ("\ndef f(x: int): ...", "p.py, line 2: f does not say what it gives: add `-> Labels`"),
        ("def f() -> int: ...", "p.py, line 1: f gives something that cannot be shown"),
        ("def f() -> list: ...", "p.py, line 1: 'list' is no type that Opsin understands."),
        ("async def f() -> None: ...", "p.py, line 1: f is async: an operation is a plain"),
        ("A = B\nB = A\ndef f(x: A) -> None: ...", "p.py, line 1: this type is nested too deeply"),
        ("from enum import Enum\nclass E(Enum): ...\ndef f(x: E) -> None: ...",
         "p.py, line 3: E has no members to choose from: add some."),
        ("from .types import Image\ndef f(x: Image) -> None: ...",
         "p.py, line 2: 'Image' is no type that Opsin understands."),
        ("x = 1\0", "p.py: this is not Python: source code string cannot contain null bytes."),
        (b"x = 1\n# \xff", "p.py, line 2: this is not UTF-8: save it as UTF-8."),
        ("x = " + "9" * 5000, "p.py, line 1: this is not Python: Exceeds the limit (4300 digits)"),
        (b"#" * 2**18 + b"\n", "p.py is larger than 256 KiB, too large for a plugin"),
    ],
)  # fmt: skip
def test_files_that_are_no_plugins(source: str | bytes, message: str) -> None:
    content = source if isinstance(source, bytes) else source.encode()
    with pytest.raises(PluginError) as caught:
        parse(content, "p.py")
    assert str(caught.value).startswith(message)


def test_paths_that_lead_to_no_plugin(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    odd: dict[str | Path, str] = {
        tmp_path / "none.py": "There is no plugin at ",
        tmp_path: "is not a file: name the plugin's file.",
        tmp_path
        / "a.txt": r"is no plugin that Opsin understands. It reads .* Python files \(.py\).",
        "a\0.py": "A path has no zero bytes.",
        tmp_path / ("x" * 300 + ".py"): "cannot be read: File name too long.",
    }
    for path, message in odd.items():
        with pytest.raises(PluginError, match=message):
            read_plugin(path)


def test_defaults_are_as_their_parameter_wants_them() -> None:
    (found,) = of("x: float = 2").parameters
    assert isinstance(found, Parameter)
    assert isinstance(found.default, float)
