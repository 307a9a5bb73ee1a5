"""ImJoy files, read as ImJoy itself reads them."""

from __future__ import annotations

import json
import random
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsin.errors import PluginError
from opsin.plugins import manifest
from opsin.plugins.formats import read_plugin
from opsin.plugins.formats.imjoy_html import plugin_of
from opsin.plugins.formats.imjoy_html.blocks import KNOWN, read_blocks
from opsin.plugins.formats.imjoy_html.config import read_config
from opsin.plugins.formats.imjoy_html.joy import read_form
from opsin.plugins.manifest import FileInput, Plugin
from tests.peers.npm import installed, node

CONFIG: dict[str, Any] = {"name": "Blur", "type": "window", "api_version": "0.1.8"}
FILE = """<docs lang="markdown">
# Blur <b>it</b>
</docs>

<config lang="json">
{}
</config>

<script lang="javascript">
  if (1 < 2) api.export({{ run() {{}} }});
</script>
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "blur.imjoy.html"
    path.write_bytes(text.encode())
    return path


def read(folder: Path, **config: Any) -> Plugin:
    return read_plugin(written(folder, FILE.format(json.dumps(CONFIG | config))))


def config_of(text: str, tag: str = "") -> Any:
    return read_config(read_blocks(text), tag)


PIECES = (
    *("<config", "<script", "<docs", "<window", "<style", "<textarea", "<attachment", "<link"),
    *("<b", "<br>", "<p>", "</p>", "</br>", "</config>", "</script>", "</SCRIPT >", "</docs>"),
    *("</window>", "</style>", "</textarea>", "</b>", ">", "/>", " a=1", ' b="x y"', " c='z'"),
    *(" d", ' e="&lt;&amp;"', " f=", "=", '"', "'", "\n", "  ", "\t", "<!--", "-->", "<![", "]>"),
    *("<!DOCTYPE html>", "<!doctype", "< 3", "<", "a", "text", "{", "\r\n", "\r", "\ufeff"),
    *("\x85", "\u2003", "\x1c", "<a:b>", "</a:b>", "</", "<script>", "<docs>", "<window>"),
    '<config lang="json">',
)


def test_blocks_are_those_that_imjoy_reads() -> None:
    """Any text at all, put together of what matters."""
    draw = random.Random(7)
    texts = ["".join(draw.choices(PIECES, k=draw.randint(1, 30))) for _ in range(20_000)]
    texts += [FILE.format(json.dumps(CONFIG)), "\ufeff" + FILE, FILE.replace("\n", "\r\n")]
    answers = node("node", "parse.mjs", folder=installed("imjoy"), given=json.dumps(texts))
    lines = answers.rstrip("\n").split("\n")
    seen = 0
    for text, line in zip(texts, lines, strict=True):
        theirs = [
            (name, {key: "" if value is True else value for key, value in about.items()}, content)
            for name, about, content in json.loads(line)
        ]
        ours = [(one.name, one.attributes, one.content) for one in read_blocks(text)]
        assert [one for one in ours if one[0] in KNOWN] == theirs, text
        seen += len(theirs)
    assert seen > 5_000


def test_blocks_know_their_lines() -> None:
    blocks = read_blocks(FILE)
    assert [(block.name, block.line) for block in blocks] == [
        ("docs", 1),
        ("config", 5),
        ("script", 9),
    ]


HARD = {
    "openings": "<" * 10**6,
    "nested": "<a>" * 300_000,
    "ends that close nothing": "<a>" * 150_000 + "</b>" * 150_000,
    "ends without an end": "</a" * 300_000,
    "comments without an end": "<!--" * 200_000,
    "attributes": "<a " + "b " * 400_000,
    "spaces": "<a " + " " * 10**6,
    "quotes": '<a b="' * 150_000,
    "scripts": "<script>" + "</script" * 120_000,
    "blocks": "<link/>\n" * 100_000,
}


@pytest.mark.parametrize("text", HARD.values(), ids=HARD)
def test_hard_texts_take_no_longer_than_others(text: str) -> None:
    """A reader that looks at all of the rest again and again would take hours."""
    before = time.process_time()
    read_blocks(text)
    assert time.process_time() - before < 60


def test_a_file_is_a_plugin_with_one_operation(tmp_path: Path) -> None:
    ui = "Sigma {id: 'sigma', type: 'number', min: 0, max: 10, placeholder: 2}"
    plugin = read(tmp_path, ui=ui, version="1.2", description="Makes it\nsoft.")
    assert (plugin.name, plugin.kind, plugin.version) == ("Blur", "window", "1.2")
    (run,) = plugin.operations
    assert (run.name, run.title, run.description, run.line) == ("run", "Blur", "Makes it soft.", 9)
    (sigma,) = run.parameters
    assert (sigma.name, sigma.title, sigma.type) == ("sigma", "Sigma", "number")
    assert (sigma.default, sigma.minimum, sigma.maximum) == (2, 0, 10)
    assert (run.refused, run.reason) == ("", "")
    assert manifest.decode(manifest.encode(plugin)) == plugin


def test_what_cannot_be_installed_is_said(tmp_path: Path) -> None:
    plugin = read(tmp_path, type="native-python", requirements=["numpy", "pip: scipy tifffile>=1"])
    assert plugin.requirements == ("numpy", "scipy", "tifffile>=1")
    asked = ["conda:pytorch", "repo: https://github.com/a/models.git", "repo:https://x.org/a code"]
    plugin = read(
        tmp_path, type="native-python", requirements=asked, env="conda create python=3.12"
    )
    assert (plugin.requirements, plugin.python) == (("torch",), "==3.12.*")
    repositories = {"models": "https://github.com/a/models.git", "code": "https://x.org/a"}
    assert plugin.repositories == repositories
    script = '<script lang="python">\nimport requests, os\nfrom six import b\n</script>'
    config = CONFIG | {"type": "native-python", "requirements": ["six==1.16"]}
    plugin = read_plugin(
        written(tmp_path, f'<config lang="json">{json.dumps(config)}</config>{script}')
    )
    assert plugin.requirements == ("requests", "six==1.16")
    plugin = read(tmp_path, type="native-python", requirements=["cmd: make me a sandwich"])
    assert "make me a sandwich" in plugin.operations[0].refused
    assert plugin.operations[0].reason == "needs_engine"
    plugin = read(tmp_path, type="native-python", requirements=["conda: openjdk"])
    assert plugin.operations[0].reason == "needs_conda"
    plugin = read(tmp_path, type="native-python", env="conda create -n a python=2.7")
    assert plugin.operations[0].reason == "needs_python"
    commands = "cmd: pip uninstall -y opencv-python && pip install opencv-python-headless"
    plugin = read(tmp_path, type="native-python", requirements=[commands])
    assert plugin.requirements == ("opencv-python-headless",)


REASONS = {
    "no config": ("<docs></docs>", "", "bad_config"),
    "no JSON": (FILE.format("{name: 1}"), "", "bad_config"),
    "another tag": (FILE.format(json.dumps(CONFIG | {"tags": ["CPU"]})), "GPU", "bad_tag"),
    "no tags": (FILE.format(json.dumps(CONFIG | {"env": {"GPU": ""}})), "", "bad_config"),
    "no engine": (FILE.format(json.dumps(CONFIG | {"type": "evil"})), "", "needs_engine"),
    "a broken form": (FILE.format(json.dumps(CONFIG | {"ui": "{"})), "", "bad_config"),
}


@pytest.mark.parametrize(("text", "tag", "reason"), REASONS.values(), ids=REASONS)
def test_why_a_file_is_no_plugin_has_a_word(text: str, tag: str, reason: str) -> None:
    with pytest.raises(PluginError) as caught:
        plugin_of(text.encode(), "a", tag)
    assert caught.value.reason == reason


@pytest.mark.parametrize("start", ["", "\ufeff", "\ufeff\n\n", "<!-- a > b -->\n"])
def test_marks_and_comments_before_the_first_block(tmp_path: Path, start: str) -> None:
    path = written(tmp_path, start + FILE.format(json.dumps(CONFIG)))
    assert read_plugin(path).name == "Blur"


def test_yaml(tmp_path: Path) -> None:
    text = "<config lang='yaml'>\n  name: Blur\n  type: window\n  api_version: 0.1.8\n</config>"
    assert read_plugin(written(tmp_path, text)).name == "Blur"


WINDOW = """<config lang="json">
    {{"name": "a", "type": "window", "api_version": "1", {}}}
</config>"""
TAGGED = """<config lang="json">{
    "name": "Net", "api_version": "0.1.8", "tags": ["CPU", "GPU"],
    "type": {"CPU": "web-worker", "GPU": "native-python"},
    "requirements": {"CPU": [], "GPU": ["torch"]}, "env": {"CPU": "a"},
    "ui": "{id: 'n', type: 'number'}", "flags": ["functional"], "description": "x"
}</config>"""


def test_entries_may_differ_between_tags() -> None:
    first = config_of(TAGGED)
    assert (first.tag, first.type, first.requirements, first.env) == (
        "CPU",
        "web-worker",
        (),
        ("a",),
    )
    other = config_of(TAGGED, "GPU")
    assert (other.tag, other.type, other.requirements) == ("GPU", "native-python", ("torch",))
    assert other.env == ()
    assert other.flags == ("functional",)
    with pytest.raises(PluginError, match="no tag 'TPU': there are CPU, GPU"):
        config_of(TAGGED, "TPU")


@pytest.mark.parametrize(
    ("old", "new"),
    [("pyworker", "native-python"), ("webworker", "web-worker"), ("webpython", "web-python")],
)
def test_types_of_old_files(old: str, new: str) -> None:
    text = f'<config>{{"name": "a", "api_version": "0.1.1", "mode": "{old}"}}</config>'
    assert config_of(text).type == new


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no <config>"),
        ("<script></script>", "no <config>"),
        ('<config lang="json">{"name": }</config>', "cannot be read"),
        ('<config lang="json">[1]</config>', "no object"),
        ('<config lang="json">{"name": NaN}</config>', "NaN is no number"),
        ('<config lang="json">{"name": "a", "type": "window"}</config>', "api_version"),
        ('<config>{"name": "a", "type": "window", "api_version": "0.1.6"}</config>', "language"),
        ('<config lang="json">{"type": "window", "api_version": "0.1.8"}</config>', "name"),
        ('<config lang="json">{"name": "a/b", "type": "b", "api_version": "1"}</config>', "a /"),
        ('<config lang="json">{"name": "a", "api_version": "0.1.8"}</config>', '"type"'),
        ('<config lang="json">{"name": "a", "type": "x", "api_version": "1"}</config>', "type 'x'"),
        (WINDOW.format('"flags": {"x": 1}'), "differs between tags"),
        (WINDOW.format('"ui": "{id: 1}"'), 'no "id"'),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(PluginError, match=words) as caught:
        read_plugin(path)
    assert str(path) in str(caught.value)


def test_forms() -> None:
    levels = "[{label: 'one', value: 1}, {label:'two', value: 2}]"
    form = read_form(
        [
            "<b>Method</b>: {id: 'method', type: 'choose', options: ['fast', 'good'],}",
            {"Note &amp; title": {"id": "note", "type": "string", "placeholder": "it's http://x"}},
            f"{{id:'level', type:'choose', options:{levels}, placeholder: 2}}",
            "{id: 'go', type: 'button'}",
        ]
    )
    method, note, level = form.parameters
    assert (method.title, method.enum, method.default) == ("Method", ("fast", "good"), "fast")
    assert (note.title, note.default) == ("Note & title", "it's http://x")
    assert (level.type, level.enum, level.default) == ("number", (1, 2), 2)
    assert form.left_out == ("button",)


@pytest.mark.parametrize("ui", [None, "", "Only words.", [], 3])
def test_forms_without_fields(ui: Any) -> None:
    assert read_form(ui).parameters == ()


@pytest.mark.parametrize(
    "ui", ["{", "{id: 'a'", "{id: 'a' type: 'b'}", "{id: [1,}", "{a: b}", "{id: 'a\\"]
)
def test_broken_forms_are_refused(ui: str) -> None:
    with pytest.raises(PluginError, match='"ui"'):
        read_form(ui)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [
        *("name", "type", "tags", "ui", "requirements", "env", "flags", "api_version", "version"),
        *("description", "defaults", "dependencies", "mode"),
    ]
)


@given(st.dictionaries(KEYS, VALUES))
def test_any_config_is_a_plugin_or_says_why_not(entries: dict[str, Any]) -> None:
    text = f"<config lang='json'>{json.dumps(CONFIG | entries)}</config>"
    with suppress(PluginError):
        plugin = plugin_of(text.encode("utf-8", "replace"), "it")
        assert manifest.decode(manifest.encode(plugin)) == plugin


@given(st.text(max_size=200) | st.lists(st.sampled_from("{}[]:,'\"\\ aid1.-")).map("".join))
def test_any_form_is_one_or_says_why_not(ui: str) -> None:
    with suppress(PluginError):
        read_form(ui)


@given(st.binary(max_size=300) | st.lists(st.sampled_from(PIECES)).map("".join).map(str.encode))
def test_any_file_is_a_plugin_or_says_why_not(content: bytes) -> None:
    with suppress(PluginError):
        plugin_of(content, "it")


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"image": {"ndarray": {"ndim": 2}}, "n": {"type": "number"}}, ["image"]),
        ({"type": "object", "properties": {"a": {"ndarray": {}}}}, ["a"]),
        ({"labelImage": {"ndarray": {}}, "image": {"ndarray": {}}}, ["labelImage", "image"]),
        ({"type": "array", "items": [{"ndarray": {}}]}, []),
        (None, []),
        ("image", []),
        ({"properties": 3}, []),
    ],
)
def test_the_images_that_it_says_it_takes_are_its_inputs(inputs: Any, expected: list[str]) -> None:
    config = {"name": "A", "type": "window", "api_version": "0.1.8", "inputs": inputs}
    text = f'<config lang="json">{json.dumps(config)}</config><script>1</script>'
    (operation,) = plugin_of(text.encode(), "a").operations
    assert [one.name for one in operation.inputs] == expected
    kinds = {"labelImage": "labels"}
    assert all(one.kind == kinds.get(one.name, "image") for one in operation.inputs)
    assert all(one.optional for one in operation.inputs)


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        ({"cells": {"file": {"ext": [".CSV", "tsv"], "mime": "text/csv", "maxSize": 9}}},
         FileInput(name="cells", title="Cells", extensions=("csv", "tsv"), types=("text/csv",),
                   largest=9)),
        ({"type": "object", "properties": {"a": {"file": {"size": 3.0, "ext": 7}}}},
         FileInput(name="a", title="A", smallest=3, largest=3)),
        ({"a": {"file": True}}, FileInput(name="a", title="A")),
        ({"a": {"file": {"minSize": -1, "maxSize": "9", "mime": [None, "image/*"]}}},
         FileInput(name="a", title="A", types=("image/*",))),
        ({"a": {"type": "string"}}, None),
        ({"properties": [1]}, None),
        ("file", None),
    ],
)  # fmt: skip
def test_files_that_it_says_it_takes(
    tmp_path: Path, schema: object, found: FileInput | None
) -> None:
    (operation,) = read(tmp_path, inputs=schema).operations
    assert operation.files == ((found,) if found else ())
