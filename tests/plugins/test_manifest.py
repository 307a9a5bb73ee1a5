from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from opsin.cli import main
from opsin.errors import PluginError, UsageError
from opsin.plugins.formats import read_plugin
from opsin.plugins.manifest import Input, Operation, Parameter, Plugin, decode, encode, schema

EXAMPLES = sorted(Path("examples/plugins").glob("*.py"))
SMOOTH, COUNT = Operation(name="smooth", title="Smooth"), Operation(name="count", title="Count")


def plugin(*operations: Operation) -> Plugin:
    return Plugin(name="P", kind="native-python", source="p.py", digest="0", operations=operations)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_manifests_go_there_and_back(path: Path) -> None:
    read = read_plugin(path)
    assert decode(encode(read)) == read


def test_an_operation_is_found_by_its_name() -> None:
    both = plugin(SMOOTH, COUNT)
    assert both.operation("count") is COUNT
    assert plugin(COUNT).operation() is COUNT
    with pytest.raises(PluginError, match=r"p\.py has no operation 'cuont': it has smooth, count"):
        both.operation("cuont")
    with pytest.raises(PluginError, match="has several operations: add one of :smooth, count"):
        both.operation()


def test_axes_are_those_of_the_first_pixels() -> None:
    points = Input(name="points", kind="points", title="Points")
    image = Input(name="image", kind="image", title="Image", axes="zyx")
    assert SMOOTH.axes == "yx"
    assert Operation(name="a", title="A", inputs=(points, image)).axes == "zyx"
    assert Operation(name="a", title="A", metadata={"m": "image"}).wants_metadata
    assert not SMOOTH.wants_metadata


def test_a_form_is_a_json_schema() -> None:
    operation = Operation(
        name="nuclei",
        title="Nuclei",
        parameters=(
            Parameter(name="n", type="integer", title="N", multiple_of=2, exclusive_minimum=0),
            Parameter(name="m", type="string", title="M", enum=("a",), default=None, nullable=True),
        ),
    )
    assert operation.form() == {
        "type": "object",
        "title": "Nuclei",
        "properties": {
            "n": {"type": "integer", "title": "N", "multipleOf": 2, "exclusiveMinimum": 0},
            "m": {"type": ["string", "null"], "title": "M", "enum": ["a", None], "default": None},
        },
        "required": ["n"],
        "additionalProperties": False,
    }
    json.dumps(operation.form())


def test_the_schema_of_manifests_names_every_field() -> None:
    definitions = schema()["$defs"]
    parts = {"Operation", "Input", "FileInput", "Output", "Parameter", "Permission"}
    assert set(definitions) == {"Plugin", *parts}
    assert set(definitions["Plugin"]["required"]) == {"name", "kind", "source", "digest"}
    assert "multipleOf" in definitions["Parameter"]["properties"]


PUBLISHED = Path("docs/reference/manifest.schema.json")


def test_the_published_schema_is_that_of_the_code() -> None:
    """Write it anew with `json.dumps(schema(), indent=2)` and an end of line."""
    assert PUBLISHED.read_text() == json.dumps(schema(), indent=2) + "\n"


def test_the_page_shows_a_real_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path("docs/reference/manifest.md").read_text()
    source = re.search(r"write_text\('''(.*?)'''\)", page, re.DOTALL)
    shown = re.search(r"```text\n(.*?)```", page, re.DOTALL)
    assert source
    assert shown
    monkeypatch.chdir(tmp_path)
    Path("bright.py").write_text(source[1])
    assert json.loads(shown[1]) == json.loads(encode(read_plugin("bright.py")))


def test_others_find_manifests_valid_by_the_published_schema() -> None:
    validator = Draft202012Validator(json.loads(PUBLISHED.read_text()))
    Draft202012Validator.check_schema(validator.schema)
    for path in sorted(Path("examples/plugins").iterdir()):
        if path.is_file():
            validator.validate(json.loads(encode(read_plugin(path))))
    odd = json.loads(encode(read_plugin("examples/plugins/gaussian.py")))
    assert not validator.is_valid({**odd, "kind": "browser"})
    odd["operations"][0]["parameters"][0]["type"] = "text"
    assert not validator.is_valid(odd)


@pytest.mark.parametrize(
    "document",
    ["", "[]", "{}", '{"name": 3}', b"\xff", '{"name": "a", "kind": "window"}', "[" * 100_000],
)
def test_what_is_no_manifest(document: bytes | str) -> None:
    with pytest.raises(PluginError, match="That is no manifest of a plugin"):
        decode(document)


DOCUMENT = encode(read_plugin("examples/plugins/gaussian.py"))


@given(st.binary(max_size=100), st.integers(0, len(DOCUMENT)), st.integers(0, 20))
def test_any_bytes_are_a_manifest_or_a_plugin_error(junk: bytes, start: int, cut: int) -> None:
    for document in (junk, DOCUMENT[:start] + junk[:4] + DOCUMENT[start + cut :]):
        with suppress(PluginError):
            assert isinstance(decode(document), Plugin)


def test_the_command_line_prints_manifests(capsys: pytest.CaptureFixture[str]) -> None:
    for path in EXAMPLES:
        assert main(["plugins", "show", str(path), "--json"]) == 0
        assert decode(capsys.readouterr().out) == read_plugin(path)
    assert main(["plugins", "show", "examples/plugins/gaussian.py"]) == 0
    assert "  smooth_in_world  Smooth in world\n" in capsys.readouterr().out
    assert main(["plugins", "show", "README.md"]) == 1
    assert "is no plugin that Opsin understands" in capsys.readouterr().err


def test_axes_that_an_operation_is_asked_to_work_on() -> None:
    planes = Operation(
        name="f", title="F", inputs=(Input(name="image", kind="image", title="Image"),)
    )
    assert planes.along("zyx").axes == "zyx"
    assert planes.along("zyx").along("zyx").axes == "zyx"
    with pytest.raises(UsageError, match=r"^F works on axes of its own: leave them out\.$"):
        planes.along("zyx").along("yx")
    with pytest.raises(UsageError, match=r"^F works on axes of its own"):
        Operation(name="f", title="F").along("zyx")
    with pytest.raises(UsageError, match="Axes are different letters"):
        planes.along("zz")
