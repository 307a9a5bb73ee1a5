"""Plugins of napari, read without running them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsin.errors import PluginError
from opsin.plugins.formats import npe2, read_plugin
from opsin.plugins.installed import find, installed, owner, place_of
from opsin.plugins.manifest import Operation, Plugin, decode, encode
from tests.plugins import napari_trial


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return napari_trial.write(tmp_path)


@pytest.fixture
def plugin(manifest: Path) -> Plugin:
    return read_plugin("napari:napari-trial")


def named(plugin: Plugin, name: str) -> Operation:
    return next(one for one in plugin.operations if one.name == name)


def test_an_installed_plugin_is_found_by_its_name(manifest: Path) -> None:
    assert find("Napari_Trial").manifest == place_of("napari:napari-trial") == manifest
    found = owner(manifest)
    assert found is not None
    assert (found.name, found.version, found.source) == (
        "napari-trial", "1.5", "napari:napari-trial",
    )  # fmt: skip
    assert "opsin" not in [one.name for one in installed()]
    with pytest.raises(PluginError, match=r"napari-none .* is not installed here: install it with"):
        find("napari-none")


def test_nothing_of_it_is_imported(plugin: Plugin) -> None:
    assert (plugin.name, plugin.kind, plugin.version) == ("Trial", "napari", "1.5")
    assert plugin.source == "napari:napari-trial"
    assert plugin.requirements == ("napari-trial==1.5",)
    assert not [name for name in sys.modules if name.startswith("napari_trial")]
    assert decode(encode(plugin)) == plugin


def test_every_contribution_is_an_operation_or_says_why_not(plugin: Plugin) -> None:
    said = {one.name: one.refused for one in plugin.operations}
    assert [name for name, why in said.items() if not why] == [
        *("bright", "smooth", "shift", "make_widget", "ready", "layers", "opens_a_window", "stack"),
        *("get_reader", "two_blobs"),
    ]
    assert {name: why for name, why in said.items() if why} == {
        "Panel": "Panel is a window of its own. It needs a viewer: open it in napari.",
        "watch": "It needs a viewer: open it in napari.",
        "inner": "Its parameter window (list[int]) fits into no form.",
        "gone": "There is no gone in napari_trial.widgets that can be seen.",
        "odd": "odd does not say what it gives.",
        "far": "It is a file: open it with `opsin view https://example.org/a.tif`.",
        "write": "It writes files, and Opsin writes its own: see `opsin write`.",
    }


def test_a_function_that_is_imported_from_elsewhere(plugin: Plugin) -> None:
    bright = named(plugin, "bright")
    assert (bright.title, bright.entry) == ("Bright pixels", "napari_trial:bright")
    assert bright.description == ("Pixels on one side of a threshold.\n\nLeft as they are: kernel.")
    assert [(one.name, one.kind, one.as_layer) for one in bright.inputs] == [
        ("image", "image", False)
    ]
    threshold, side = bright.parameters
    assert (threshold.type, threshold.default, threshold.description) == (
        "number", 100.0, "The limit.",
    )  # fmt: skip
    assert (side.enum, side.enum_class, side.default) == (("above", "below"), "Side", "above")
    assert [one.kind for one in bright.outputs] == ["labels"]


def test_options_of_magicgui(plugin: Plugin) -> None:
    smooth = named(plugin, "smooth")
    (image,) = smooth.inputs
    assert (image.kind, image.as_layer) == ("image", True)
    sigma, mode, times = smooth.parameters
    assert (sigma.title, sigma.minimum, sigma.maximum, sigma.step) == ("Width", 0, 10, 0.5)
    assert (mode.type, mode.enum, mode.default) == ("string", ("nearest", "mirror"), "nearest")
    assert (times.type, times.default) == ("integer", 1)
    assert [one.kind for one in smooth.outputs] == ["layers"]
    made = named(plugin, "make_widget")
    assert made.entry == "napari_trial.widgets:make_widget()"
    assert [(one.name, one.maximum) for one in made.parameters] == [("threshold", 255)]
    assert [one.name for one in named(plugin, "ready").parameters] == ["add"]


def test_readers_and_samples(plugin: Plugin) -> None:
    reader, sample = named(plugin, "get_reader"), named(plugin, "two_blobs")
    assert (reader.role, reader.title, reader.inputs) == ("reader", "Read trial", ())
    assert [(one.name, one.format) for one in reader.parameters] == [("path", "path")]
    assert (sample.role, sample.title, sample.entry) == (
        "sample", "Two blobs", "napari_trial.files:sample",
    )  # fmt: skip


def test_json_and_toml_are_manifests_too(tmp_path: Path) -> None:
    command = {"id": "a.b", "title": "B", "python_name": "a:b"}
    document = {"name": "a", "contributions": {"commands": [command]}}
    (tmp_path / "napari.json").write_text(json.dumps(document))
    (tmp_path / "napari.toml").write_text(
        '[tool.npe2]\nname = "a"\n[[tool.npe2.contributions.commands]]\n'
        'id = "a.b"\ntitle = "B"\npython_name = "a:b"\n'
    )
    for name in ("napari.json", "napari.toml"):
        (one,) = read_plugin(tmp_path / name).operations
        assert one.refused == "There is no b in a that can be seen."


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "contributions: [", "cannot be read as a manifest"),
        ("a.yaml", "contributions: 3", "it has no contributions"),
        ("a.json", '{"contributions": {}}', "brings nothing that can be run"),
        ("a.toml", "contributions", "cannot be read as a manifest"),
        ("a.yaml", "contributions: " + "[" * 100_000, "is nested too deeply"),
        ("a.yaml", "contributions:\n" + "- " * 100_000, "is nested too deeply"),
        ("a.json", '{"contributions":' * 10_000, "cannot be read as a manifest"),
        ("a.toml", "contributions = " + "[" * 10_000, "cannot be read as a manifest"),
        ("a.yaml", "contributions: !!python/object/apply:os.getcwd []", "cannot be read"),
        ("a.yaml", "contributions:" + " " * 300_000, "larger than 256 KiB"),
        ("a.yaml", "name: a", "is no plugin that Opsin understands"),
    ],
)
def test_what_is_no_manifest(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(PluginError, match=message):
        read_plugin(tmp_path / name)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["commands", "widgets", "command", "id", "python_name", "key", "uri"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(contributions=st.dictionaries(
    st.sampled_from(["commands", "widgets", "readers", "sample_data", "writers"]), values
))  # fmt: skip
def test_any_document_is_a_plugin_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, contributions: object
) -> None:
    path = tmp_path_factory.getbasetemp() / "napari.json"
    path.write_text(json.dumps({"contributions": contributions}))
    try:
        plugin = npe2.read(path, "napari.json")
    except PluginError:
        return
    assert decode(encode(plugin)) == plugin
