from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from opsin.errors import ProtocolError
from opsin.images.layer import layers_of
from opsin.images.points.layer import PointsLayer
from opsin.images.synthetic.points import synthetic_points
from opsin.views.messages import decode_frame, encode_frame
from opsin.views.scene import Scene, describe, slider_range
from tests.chunks.pyramid import pyramid


@pytest.mark.parametrize(
    "contrast",
    [(-1.7976931348623157e308, 5.0), (-math.inf, math.inf), (math.nan, 1.0), (0.0, 0.0), None],
)
def test_no_number_of_a_scene_is_other_than_finite(contrast: tuple[float, float] | None) -> None:
    image, _ = pyramid((64, 64), dtype="float64")
    layer = replace(layers_of(image)[0], contrast=contrast)
    header, _ = decode_frame(encode_frame(describe(0, layer)))
    found = json.loads(header)
    numbers = [*found["range"], *found["defaults"]["contrast"]]
    assert all(isinstance(n, int | float) and abs(n) < 3.5e38 for n in numbers), numbers


def test_a_slider_spans_the_data() -> None:
    for dtype, contrast, expected in (
        ("uint8", (3.0, 9.0), (0.0, 255.0)),
        ("uint16", (100.0, 900.0), (0.0, 1023.0)),
        ("float32", (0.0, 1.0), (-0.5, 1.5)),
    ):
        image, _ = pyramid((64, 64), dtype=dtype)
        assert slider_range(layers_of(image)[0], contrast) == expected


def test_names_that_are_not_unicode_travel() -> None:
    image, _ = pyramid((64, 64))
    scene = Scene()
    scene.put(0, replace(layers_of(image)[0], name="a\udcffb"), 0)
    scene.notify("error", "\udcff is odd")
    header, _ = decode_frame(encode_frame(scene.message()))
    assert json.loads(header)["layers"][0]["name"] == "a?b"


def test_notices_are_told_once_and_layers_by_id() -> None:
    image, _ = pyramid((64, 64))
    (layer,) = layers_of(image)
    scene = Scene()
    calls: list[int] = []
    stop = scene.listen(lambda: calls.append(scene.revision))
    scene.notify("info", "one")
    scene.put(5, layer, 0)
    scene.put(2, layer, 0)
    assert calls == [0, 1, 2]
    assert [one.id for one in scene.message().layers] == [2, 5]
    assert [one.text for one in scene.message().notices] == ["one"]
    assert scene.message(told=1).notices == ()
    stop()
    scene.notify("info", "two")
    assert len(calls) == 3


def test_what_is_removed_comes_back_as_it_was_of_any_kind() -> None:
    image, _ = pyramid((64, 64))
    (layer,) = layers_of(image)
    deeper = replace(layer, name="in 3D")
    points = PointsLayer("points", synthetic_points(size=64, count=100))
    scene = Scene()
    calls: list[int] = []
    scene.listen(lambda: calls.append(scene.revision))
    scene.put(1, layer, 7, deeper)
    scene.put_points(2, points, lambda _: 9)
    before = scene.message()
    back = [scene.remove(number) for number in (1, 2)]
    assert scene.message().layers == ()
    held = (scene.layers, scene.volumes, scene.images, scene.points)
    assert [len(one) for one in held] == [0] * 4
    for number in (1, 2, 3):
        with pytest.raises(KeyError):
            scene.remove(number)
    for put_back in back:
        put_back()
    assert scene.message() == before
    assert scene.volumes == {1: deeper}
    assert scene.layers_by_image()[7] == 1
    assert scene.number_of_points(2, ()) == 9
    assert calls == [1, 2, 3, 4, 5, 6]


def test_a_message_too_long_for_a_header_is_refused() -> None:
    with pytest.raises(ProtocolError, match="too long"):
        encode_frame({"type": "x", "text": "a" * 2**20})
