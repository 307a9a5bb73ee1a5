"""Layers: an image without a channel axis takes window and colour from its one channel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from opsin.images.image import Channel
from opsin.images.layer import layers_of
from opsin.images.memory import image_from_array

IMAGE = image_from_array(np.zeros((4, 4), np.uint16), name="n")


def test_one_channel_without_an_axis() -> None:
    (layer,) = layers_of(replace(IMAGE, channels=(Channel("DNA", "00FFAA", (3, 9)),)))
    assert (layer.name, layer.contrast, layer.colormap) == ("n", (3, 9), "#00ffaa")
    assert layer.channel is None


def test_more_channels_than_the_image_has_are_ignored() -> None:
    (layer,) = layers_of(replace(IMAGE, channels=(Channel("a"), Channel("b", "ff0000", (0, 1)))))
    assert (layer.contrast, layer.colormap) == (None, "gray")
