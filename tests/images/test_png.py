"""PNG, JPEG, BMP and WebP: every kind of pixel, local and over http, whole and damaged."""

from __future__ import annotations

import functools
import http.server
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from opsin.errors import Corrupt, NotFound, OpenError, ReadError, Unsupported
from opsin.images.readers import jpeg, open_image, png
from opsin.images.readers.address import Address
from opsin.images.source import Array

RANDOM = np.random.default_rng(3)


def noise(*shape: int, dtype: str = "u1") -> Array:
    return RANDOM.integers(0, np.iinfo(dtype).max, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("samples", [(), (3,), (4,)])
def test_grey_and_colour(dtype: str, samples: tuple[int, ...], tmp_path: Path) -> None:
    array = noise(40, 50, *samples, dtype=dtype)
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(array))
    (image,) = png.open(Address.parse(path))
    with image:
        assert image.rgb is bool(samples)
        assert image.axis_names == ("y", "x", "c")[: array.ndim]
        assert image.levels[0].chunks == array.shape
        assert image.name == "a"
        assert image.source.provenance == "disk"
        np.testing.assert_array_equal(image.read(), array)


def test_real_images_are_opened_by_their_bytes(tmp_path: Path) -> None:
    path = Path("tests/data/nuclei/test/masks/000.png")
    misnamed = tmp_path / "mask.dat"
    misnamed.write_bytes(path.read_bytes())
    with open_image(misnamed) as image:
        assert image.dtype == np.uint16
        np.testing.assert_array_equal(image.read(), imagecodecs.png_decode(path.read_bytes()))


def block(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def hand_made(depth: int, colour: int, rows: bytes, before: bytes = b"", width: int = 2) -> bytes:
    header = struct.pack(">IIBBBBB", width, 2, depth, colour, 0, 0, 0)
    pixels = block(b"IDAT", zlib.compress(rows)) + block(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + block(b"IHDR", header) + before + pixels


PALETTE = block(b"PLTE", bytes([255, 0, 0, 0, 255, 0, 0, 0, 255]))
PROFILE = block(b"iCCP", b"p\0\0" + zlib.compress(RANDOM.bytes(20_000)))
RED, GREEN, BLUE = [255, 0, 0], [0, 255, 0], [0, 0, 255]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (hand_made(8, 3, b"\0\0\1\0\2\1", PALETTE), [[RED, GREEN], [BLUE, GREEN]]),
        (hand_made(2, 3, b"\0\x10\0\x90", PALETTE), [[RED, GREEN], [BLUE, GREEN]]),
        (
            hand_made(8, 3, b"\0\0\1\0\2\1", PALETTE + block(b"tRNS", b"\x80")),
            [[[*RED, 128], [*GREEN, 255]], [[*BLUE, 255], [*GREEN, 255]]],
        ),
        (hand_made(1, 0, b"\0\x80\0\x40"), [[255, 0], [0, 255]]),
        (hand_made(4, 0, b"\0\x1f\0\x90"), [[17, 255], [153, 0]]),
        (
            hand_made(8, 4, b"\0\1\2\3\4\0\5\6\7\x08"),
            [[[1, 1, 1, 2], [3, 3, 3, 4]], [[5, 5, 5, 6], [7, 7, 7, 8]]],
        ),
        (
            hand_made(8, 0, b"\0\0\1\0\2\1", block(b"tEXt", b"k\0" + bytes(9000)) + block(
                b"tRNS", b"\0\1")),
            [[[0, 0, 0, 255], [1, 1, 1, 0]], [[2, 2, 2, 255], [1, 1, 1, 0]]],
        ),
    ],
)  # fmt: skip
def test_palettes_and_transparency(data: bytes, expected: list[object], tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    (image,) = png.open(Address.parse(path))
    with image:
        np.testing.assert_array_equal(image.read(), expected)


def test_jpeg(tmp_path: Path) -> None:
    for array in (noise(40, 50), noise(40, 50, 3)):
        data = imagecodecs.jpeg8_encode(array)
        path = tmp_path / "a.jpg"
        path.write_bytes(data)
        (image,) = jpeg.open(Address.parse(path))
        with image:
            assert image.rgb is (array.ndim == 3)
            np.testing.assert_array_equal(image.read(), imagecodecs.jpeg8_decode(data))
        path.write_bytes(data[:200])
        with pytest.raises((OpenError, Corrupt)):
            jpeg.open(Address.parse(path))[0].read()


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_camera_that_was_held_in_another_way(
    orientation: int, order: str, tmp_path: Path
) -> None:
    """EXIF counts where row 0 and column 0 of what is stored belong."""
    stored = imagecodecs.jpeg8_encode(np.arange(40 * 50, dtype="u1").reshape(40, 50) // 2)
    begins = {"<": b"II*\0\x08\0\0\0", ">": b"MM\0*\0\0\0\x08"}[order]
    tags = begins + struct.pack(f"{order}HHHIHH", 1, 274, 3, 1, orientation, 0)
    block = b"\xff\xe1" + struct.pack(">H", 8 + len(tags)) + b"Exif\0\0" + tags
    (tmp_path / "a.jpg").write_bytes(stored[:2] + block + stored[2:])
    array = imagecodecs.jpeg8_decode(stored)
    expected = {
        2: array[:, ::-1], 3: array[::-1, ::-1], 4: array[::-1], 5: array.T,
        6: np.rot90(array, -1), 7: array[::-1, ::-1].T, 8: np.rot90(array),
    }.get(orientation, array)  # fmt: skip
    with open_image(tmp_path / "a.jpg") as image:
        np.testing.assert_array_equal(image.read(), expected)
    (tmp_path / "a.jpg").write_bytes(stored[:2] + block[:-5] + bytes(5) + stored[2:])
    open_image(tmp_path / "a.jpg").close()


def test_bmp(tmp_path: Path) -> None:
    grey, colour = noise(20, 30), noise(20, 31, 3)
    greys = np.repeat(np.arange(256, dtype="u1")[:, None], 3, 1)
    for palette, array in ((greys, grey), (noise(256, 3), grey), (None, colour)):
        pixels = array[::-1] if palette is not None else array[::-1, :, ::-1]
        width = pixels[0].nbytes
        rows = np.pad(pixels.reshape(20, width), [(0, 0), (0, -width % 4)]).tobytes()
        table = b"" if palette is None else np.pad(palette[:, ::-1], [(0, 0), (0, 1)]).tobytes()
        bits = 8 if palette is not None else 24
        start = 54 + len(table)
        head = struct.pack("<2sIII", b"BM", start + len(rows), 0, start)
        head += struct.pack("<IiiHHIIiiII", 40, array.shape[1], 20, 1, bits, 0, 0, 0, 0, 0, 0)
        (tmp_path / "a.bmp").write_bytes(head + table + rows)
        expected = array if palette is None or palette is greys else palette[array]
        with open_image(tmp_path / "a.bmp") as image:
            assert image.rgb is (expected.ndim == 3)
            np.testing.assert_array_equal(image.read(), expected)
        (tmp_path / "a.bmp").write_bytes((head + table + rows)[:200])
        with pytest.raises((OpenError, Corrupt)), open_image(tmp_path / "a.bmp") as image:
            image.read()
    (tmp_path / "a.bmp").write_bytes(head[:30] + b"\1\0\0\0" + head[34:])
    with pytest.raises(Unsupported, match="run lengths"):
        open_image(tmp_path / "a.bmp")
    (tmp_path / "a.bmp").write_bytes(head[:28])
    with pytest.raises(OpenError, match="truncated"):
        open_image(tmp_path / "a.bmp")


@pytest.mark.parametrize("samples", [3, 4])
@pytest.mark.parametrize("lossless", [True, False])
def test_webp(samples: int, lossless: bool, tmp_path: Path) -> None:
    array = noise(20, 31, samples)
    data = imagecodecs.webp_encode(array, lossless=lossless)
    (tmp_path / "a.webp").write_bytes(data)
    with open_image(tmp_path / "a.webp") as image:
        assert image.rgb
        assert image.shape == array.shape
        np.testing.assert_array_equal(image.read(), imagecodecs.webp_decode(data))
        if lossless:
            np.testing.assert_array_equal(image.read()[..., :3].shape, (20, 31, 3))
    (tmp_path / "a.webp").write_bytes(data[:60])
    with pytest.raises((OpenError, Corrupt)), open_image(tmp_path / "a.webp") as image:
        image.read()
    (tmp_path / "a.webp").write_bytes(data[:25])
    with pytest.raises(OpenError, match="truncated"):
        open_image(tmp_path / "a.webp")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """A server that answers requests for a range, as most do."""

    def send_head(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        asked = self.headers.get("Range")
        if asked is None:
            self.send_response(200)
        else:
            first, last = asked.removeprefix("bytes=").split("-")
            part = data[int(first) : int(last) + 1]
            self.send_response(206)
            end = int(first) + len(part) - 1
            self.send_header("Content-Range", f"bytes {first}-{end}/{len(data)}")
            data = part
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Last-Modified", "Sun, 22 Nov 2026 00:00:00 GMT")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def test_over_http(server: str, tmp_path: Path) -> None:
    array = noise(100, 120)
    (tmp_path / "an image.png").write_bytes(imagecodecs.png_encode(array))
    with open_image(f"{server}/an%20image.png") as image:
        assert image.name == "an image"
        assert image.source.provenance == "network"
        np.testing.assert_array_equal(image.read(), array)
    with pytest.raises(NotFound):
        open_image(f"{server}/none.png")


def test_bad_input(tmp_path: Path) -> None:
    data = imagecodecs.png_encode(noise(200, 300))
    path = tmp_path / "a.png"
    path.write_bytes(b"plain text")
    with pytest.raises(Unsupported, match=r"a\.png is not a PNG"):
        png.open(Address.parse(path))
    path.write_bytes(data[:20])
    with pytest.raises(OpenError, match="truncated"):
        png.open(Address.parse(path))
    path.write_bytes(data[:16] + bytes(4) + data[20:])
    with pytest.raises(OpenError, match="makes no sense"):
        png.open(Address.parse(path))
    path.write_bytes(data[: len(data) // 2])
    with png.open(Address.parse(path))[0] as image:
        with pytest.raises(Corrupt, match=r"a\.png is damaged or truncated"):
            image.read()
        path.unlink()
        with pytest.raises(ReadError, match="no more"):
            image.read()
