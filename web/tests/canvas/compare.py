"""Compare the canvas with numpy on scripted bricks. Usage: python compare.py URL [FOLDER]

URL is that of `tests/canvas/index.html` under a running `npx vite`; pictures go to FOLDER.
"""

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

FLAGS = (
    "--no-sandbox --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader "
    "--disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync"
).split()
WIDTH, HEIGHT = 300, 220
RAMP = np.array([[i, 255 - i, (i * 7) & 255] for i in range(256)], np.uint8)
MIDDLES = {
    "uint8": (0, 255),
    "int8": (-128, 127),
    "uint16": (5000, 60000),
    "int16": (-30000, 30000),
    "uint32": (4_000_000_000, 4_000_065_535),
    "int32": (-2_000_000_000, -1_999_934_465),
    "float32": (-0.4, 0.45),
    "uint64": (0, 1),
}


def layer(
    number: int = 0,
    dtype: str = "uint16",
    shape: tuple[int, ...] = (1300, 1100),
    count: int = 3,
    strided: bool = False,
    **more: Any,
) -> dict[str, Any]:
    """A layer description; `strided` levels take every second pixel, others means of 2 × 2."""
    names = ["z", "y", "x"][-len(shape) :]
    scale = more.pop("scale", 0.5)
    translation = more.pop("translation", 0.0)
    levels = []
    for i in range(count):
        f = 2**i
        flat = [max(1, math.ceil(s / f)) for s in shape[-2:]]
        offset = translation if strided else translation + scale * (f - 1) / 2
        levels.append(
            {
                "shape": [*shape[:-2], *flat],
                "scale": [*[1.0] * (len(shape) - 2), scale * f, scale * f],
                "translation": [*[0.0] * (len(shape) - 2), offset, offset],
            }
        )
    kind = more.pop("kind", "image")
    defaults = {
        "visible": True,
        "opacity": 1.0,
        "contrast": MIDDLES[dtype],
        "gamma": 1.0,
        "colormap": "ramp",
        "blending": "translucent",
        **more.pop("defaults", {}),
    }
    return {
        "id": number,
        "name": f"layer {number}",
        "kind": kind,
        "dtype": dtype,
        "data_dtype": dtype,
        "samples": more.pop("samples", 1),
        "axes": [{"name": n, "type": "space", "unit": None} for n in names],
        "levels": levels,
        "defaults": defaults,
        "range": defaults["contrast"],
    }


def raw(level: int, z: int, y: Any, x: Any, sample: int) -> Any:
    blocks = ((x // 32) * (y // 16)) % 31
    return (x * 37 + y * 101 + level * 5300 + z * 900 + sample * 21000 + blocks * 1800) % 65536


def fitted(v: Any, dtype: str, y: Any, x: Any) -> Any:
    if dtype in ("uint8", "int8"):
        return (v >> 8) - (128 if dtype == "int8" else 0)
    if dtype in ("uint16", "int16"):
        return v - (32768 if dtype == "int16" else 0)
    if dtype == "uint32":
        return 4_000_000_000 + v
    if dtype == "int32":
        return v - 2_000_000_000
    if dtype == "float32":
        return np.where((x + 3 * y) % 97 == 0, np.nan, np.float32(v / 65536 - 0.5))
    return np.where((x // 16) % 5 == 0, 0, (x // 16) + ((y // 16) << 33))


def label_colours(ids: Any) -> Any:
    def mix(x: Any) -> Any:
        x = x.astype(np.uint64)
        x ^= x >> np.uint64(16)
        x = x * np.uint64(0x85EBCA6B) & np.uint64(0xFFFFFFFF)
        x ^= x >> np.uint64(13)
        x = x * np.uint64(0xC2B2AE35) & np.uint64(0xFFFFFFFF)
        return x ^ (x >> np.uint64(16))

    ids = ids.astype(np.uint64)
    high = mix((ids >> np.uint64(32)) ^ np.uint64(0x9E3779B9))
    h = mix((ids & np.uint64(0xFFFFFFFF)) ^ high).astype(np.int64)
    hue = (h & 0xFFFF) / 65536
    s = 0.55 + 0.45 * ((h >> 16) & 255) / 255
    v = 0.75 + 0.25 * ((h >> 24) & 255) / 255
    out = []
    for n in (5, 3, 1):
        k = (n + hue * 6) % 6
        out.append(v - v * s * np.clip(np.minimum(k, 4 - k), 0, 1))
    return np.stack(out, -1)


def reference(layers: list[dict[str, Any]], camera: dict[str, Any]) -> Any:
    out = np.zeros((HEIGHT, WIDTH, 3))
    zoom = camera["zoom"]
    wy = camera["center"][0] + (np.arange(HEIGHT) + 0.5 - HEIGHT / 2) / zoom
    wx = camera["center"][1] + (np.arange(WIDTH) + 0.5 - WIDTH / 2) / zoom
    for one in layers:
        s = one["defaults"]
        target = 0
        for i, level in enumerate(one["levels"]):
            if max(level["scale"][-2:]) * zoom <= 1 + 1e-6:
                target = i
        fine, level = one["levels"][0], one["levels"][target]
        inside = []
        p = []
        for axis, w in ((-2, wy), (-1, wx)):
            low = fine["translation"][axis] - fine["scale"][axis] / 2
            high = fine["translation"][axis] + fine["scale"][axis] * (fine["shape"][axis] - 0.5)
            inside.append((w >= low) & (w < high))
            p.append((w - level["translation"][axis]) / level["scale"][axis])
        z = 0
        if len(level["shape"]) == 3:
            z = int(math.floor(camera["position"].get("z", 0) + 0.5))
        linear = one["kind"] != "labels" and max(level["scale"][-2:]) * zoom <= 1 + 1e-6
        h, w = level["shape"][-2:]

        def at(y: Any, x: Any, sample: int, z: int = z, t: int = target, one: Any = one) -> Any:
            yy, xx = np.meshgrid(y, x, indexing="ij")
            return fitted(raw(t, z, yy, xx, sample), one["dtype"], yy, xx)

        def sample(n: int) -> Any:
            if not linear:
                y = np.clip(np.floor(p[0] + 0.5), 0, h - 1).astype(np.int64)
                x = np.clip(np.floor(p[1] + 0.5), 0, w - 1).astype(np.int64)
                return at(y, x, n)
            y, x = np.clip(p[0], 0, h - 1), np.clip(p[1], 0, w - 1)
            y0, x0 = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
            fy, fx = (y - y0)[:, None], (x - x0)[None, :]
            y1, x1 = np.minimum(y0 + 1, h - 1), np.minimum(x0 + 1, w - 1)
            top = np.where(fx > 0, at(y0, x0, n) * (1 - fx) + at(y0, x1, n) * fx, at(y0, x0, n))
            low = np.where(fx > 0, at(y1, x0, n) * (1 - fx) + at(y1, x1, n) * fx, at(y1, x0, n))
            return np.where(fy > 0, top * (1 - fy) + low * fy, top)

        alpha = np.ones((HEIGHT, WIDTH))
        if one["kind"] == "labels":
            ids = sample(0)
            colour = label_colours(ids)
            alpha = (ids != 0).astype(float)
        else:
            lo, hi = s["contrast"]
            chans = []
            for n in range(min(one["samples"], 3)):
                v = sample(n)
                alpha = np.where(np.isnan(v), 0, alpha)
                t = np.clip((np.nan_to_num(v) - lo) / (hi - lo), 0, 1) ** s["gamma"]
                chans.append(t)
            if one["samples"] == 1:
                colour = RAMP[np.floor(chans[0] * 255 + 0.5).astype(int)] / 255
            else:
                colour = np.stack(chans, -1)
            if one["samples"] == 4:
                alpha = sample(3) / np.iinfo(one["dtype"]).max
        alpha = alpha * (inside[0][:, None] & inside[1][None, :])
        a = (alpha * s["opacity"])[..., None]
        match s["blending"]:
            case "translucent":
                out = colour * a + out * (1 - a)
            case "additive":
                out = out + colour * a
            case "opaque":
                out = np.where(alpha[..., None] > 0, colour, out)
            case "minimum":
                out = np.where(alpha[..., None] > 0, np.minimum(out, colour), out)
        out = np.clip(out, 0, 1)
    return out * 255


OPEN = """async ([script, options, camera]) => {
  const viewer = window.open_script(script, options);
  if (camera) viewer.setCamera(camera);
  await viewer.settled();
  return {camera: viewer.camera, size: viewer.size};
}"""
CAPTURE = """async () => {
  const blob = await window.viewer.capture();
  return [...new Uint8Array(await blob.arrayBuffer())];
}"""


def cases() -> list[tuple[str, list[dict[str, Any]], dict[str, Any] | None]]:
    whole = None
    out: list[tuple[str, list[dict[str, Any]], dict[str, Any] | None]] = []
    border = {"center": [256.0, 256.3], "zoom": 1.83}
    near = {"center": [255.9, 255.7], "zoom": 13.7}
    for dtype in MIDDLES:
        if dtype == "uint64":
            continue
        out.append((f"{dtype} whole", [layer(dtype=dtype)], whole))
        out.append((f"{dtype} border", [layer(dtype=dtype)], border))
        out.append((f"{dtype} magnified", [layer(dtype=dtype)], near))
    for dtype in ("uint8", "uint16", "float32"):
        rgb = layer(dtype=dtype, samples=3, kind="rgb")
        out.append((f"rgb {dtype} border", [rgb], border))
    rgba = layer(dtype="uint8", samples=4, kind="rgb")
    out.append(("rgba over gray", [layer(), rgba | {"id": 1}], border))
    for dtype in ("uint64", "uint16", "int32"):
        labels = layer(1, dtype=dtype, kind="labels", defaults={"opacity": 0.6})
        out.append((f"labels {dtype}", [layer(), labels], border))
        out.append((f"labels {dtype} magnified", [layer(), labels], near))
    for blending in ("additive", "opaque", "minimum", "translucent"):
        two = layer(
            1,
            dtype="float32",
            translation=33.0,
            defaults={"blending": blending, "opacity": 0.7, "gamma": 0.6},
        )
        out.append((f"{blending} two layers", [layer(), two], border))
        out.append((f"{blending} two layers whole", [layer(), two], whole))
    out.append(("strided", [layer(strided=True)], {"center": [300.0, 250.0], "zoom": 0.7}))
    out.append(("strided whole", [layer(strided=True, shape=(1301, 1027))], whole))
    out.append(("one pixel column", [layer(shape=(513, 1025), count=2)], border))
    out.append(("zoom one", [layer()], {"center": [256.0, 256.0], "zoom": 2.0}))
    out.append(
        (
            "stack",
            [layer(shape=(9, 700, 600))],
            {"center": [150.0, 150.0], "zoom": 1.1, "position": {"z": 6.4}},
        )
    )
    huge = 2**27
    far = {"center": [huge * 0.5 - 77.3, huge * 0.5 - 151.2], "zoom": 1.83}
    deep = layer(shape=(huge, huge), count=18)
    out.append(("2^27 corner", [deep], far))
    out.append(("2^27 magnified", [deep], {**far, "zoom": 21.0}))
    out.append(("2^27 middle", [deep], {"center": [huge * 0.25 + 0.3, huge * 0.25], "zoom": 0.9}))
    out.append(("2^27 whole", [deep], whole))
    return out


def main() -> None:
    address = sys.argv[1]
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    chosen = sys.argv[3] if len(sys.argv) > 3 else ""
    worst = 0.0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        for name, layers, camera in cases():
            if chosen not in name:
                continue
            page = browser.new_page(viewport={"width": 400, "height": 300})
            page.on(
                "console",
                lambda m: print("   console:", m.text) if m.type in ("error", "warning") else None,
            )
            page.on("pageerror", lambda e: print("   page error:", e))
            page.goto(address)
            page.wait_for_function("!!window.open_script")
            script = {"layers": layers, "withheld": [], "failing": [], "pause": 0}
            try:
                state = page.evaluate(OPEN, [script, {}, camera])
                data = bytes(page.evaluate(CAPTURE))
            except Exception as error:
                print(
                    f"{name:28} FAILED {str(error)[:300]}",
                    page.evaluate("JSON.stringify(window.heard.notice)"),
                )
                page.close()
                continue
            seen = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(float)
            wanted = reference(layers, state["camera"])
            difference = np.abs(seen - wanted).max(-1)
            p = float(np.percentile(difference, 99.9))
            worst = max(worst, p)
            bad = int((difference > 2).sum())
            print(f"{name:28} p99.9 {p:6.2f}  max {difference.max():6.2f}  over 2: {bad}")
            notices = page.evaluate("JSON.stringify(window.heard.notice)")
            if notices != "[]":
                print("   notices:", notices)
            if folder:
                folder.mkdir(parents=True, exist_ok=True)
                both = np.concatenate(
                    [seen, wanted, np.repeat(difference[..., None] * 20, 3, -1)], 1
                )
                Image.fromarray(both.clip(0, 255).astype(np.uint8)).save(
                    folder / f"{name.replace(' ', '_').replace('^', '')}.png"
                )
            page.close()
        browser.close()
    print(json.dumps({"worst": worst}))
    sys.exit(worst > 2)


main()
