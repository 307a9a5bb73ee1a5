"""Python reproduces what stands in protocol/fixtures/ (TypeScript does so in web/src/viewer)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from opsin.chunks.camera import Camera, slice_index, target_level
from opsin.chunks.octree import octree
from opsin.chunks.volume_camera import VolumeCamera, pixels_per_unit
from opsin.errors import ProtocolError
from opsin.images.image import Axis, Image, Level
from opsin.images.layer import Layer
from opsin.views import messages, points_messages
from tests.chunks.pyramid import PyramidSource

FIXTURES = Path(__file__).parents[2] / "protocol" / "fixtures"
TYPES = {
    "hello": messages.Hello,
    "view": messages.Look,
    "volume": messages.VolumeLook,
    "ack": messages.Ack,
    "lost": messages.Lost,
    "retry": messages.Retry,
    "watch": messages.Watch,
    "pick": points_messages.Pick,
    "sample": points_messages.SampleMessage,
    "points": points_messages.PointsMessage,
    "picked": points_messages.Picked,
    "scene": messages.SceneMessage,
    "brick": messages.BrickMessage,
    "failed": messages.Failed,
    "stats": messages.Stats,
    "requests": messages.Requests,
    "notice": messages.NoticeMessage,
}


def fixture(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / name).read_text())
    return found


def layer_of(description: dict[str, Any]) -> Layer:
    levels = tuple(
        Level(
            tuple(level["shape"]),
            tuple(level["shape"]),
            tuple(level["scale"]),
            tuple(level["translation"]),
        )
        for level in description["levels"]
    )
    axes = tuple(Axis(name, "space") for name in description["axes"])
    source = PyramidSource(levels, "uint8")
    return Layer("fixture", Image("fixture", axes, levels, np.dtype("uint8"), source))


@pytest.mark.parametrize("case", fixture("frames.json")["frames"], ids=lambda case: case["name"])
def test_frames_are_made_and_read_byte_for_byte(case: dict[str, Any]) -> None:
    frame = bytes.fromhex(case["frame"])
    payload = bytes.fromhex(case["payload"])
    assert messages.encode_frame(case["header"], payload) == frame
    header, rest = messages.decode_frame(frame)
    assert json.loads(header) == case["header"]
    assert bytes(rest) == payload
    kind = TYPES.get(case["header"]["type"])
    if kind is not None:
        message = msgspec.json.decode(header, type=kind)
        again = json.loads(msgspec.json.encode(message))
        assert again == case["header"], "no field is lost"


@pytest.mark.parametrize("case", fixture("frames.json")["invalid"], ids=lambda case: case["name"])
def test_invalid_frames_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        messages.decode_message(bytes.fromhex(case["frame"]))


def test_target_levels() -> None:
    found = fixture("target_level.json")
    layers = {name: layer_of(text) for name, text in found["layers"].items()}
    assert len(found["cases"]) > 20
    for case in found["cases"]:
        camera = Camera((0, 0), case["zoom"], (1, 1), {}, tuple(case["displayed"]))
        assert target_level(layers[case["layer"]], camera) == case["target"], case


def test_slices() -> None:
    found = fixture("slices.json")
    layers = {name: layer_of(text) for name, text in found["layers"].items()}
    assert len(found["cases"]) > 20
    for case in found["cases"]:
        camera = Camera((0, 0), 1, (1, 1), case["position"], tuple(case["displayed"]))
        layer = layers[case["layer"]]
        for level in range(len(layer.image.levels)):
            expected = None if case["slices"] is None else tuple(case["slices"][level])
            assert slice_index(layer, level, camera) == expected, case


def test_volumes() -> None:
    found = fixture("volumes.json")
    layers = {name: layer_of(text) for name, text in found["layers"].items()}
    for case in found["trees"]:
        tree = octree(layers[case["layer"]], "zyx")
        assert tree.base == case["base"]
        for brick in case["children"]:
            first, stop = tree.children(np.array([brick["level"]]), np.array([brick["place"]]).T)
            assert (first[:, 0].tolist(), stop[:, 0].tolist()) == (brick["first"], brick["stop"])
    for case in found["sizes"]:
        camera = VolumeCamera(
            (0, 0, 0), case["zoom"], tuple(case["size"]), tuple(case["orientation"]),
            case["perspective"],
        )  # fmt: skip
        assert camera.axes == pytest.approx(np.array(case["axes"]), abs=1e-6)
        low, high = np.array(case["low"]), np.array(case["high"])
        half, forward = (high - low) / 2, camera.axes[2]
        nearest = low + half - (np.abs(forward) @ half) * forward
        pixels = (case["voxel"] * pixels_per_unit(camera, nearest)).max()
        assert pixels == pytest.approx(case["pixels"], rel=1e-6)
