"""Frames of plugins in the real app's page, started as the app starts them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.end_to_end.app import App
from tests.server.running import Running

WEB = Path(__file__).parents[2] / "web"
_HARNESS = """async () => {
    const { startFrame } = await import("/frames_of_tests.js");
    window.calls = []; window.told = []; window.started = {};
    window.begin = async (frame) => {
        const place = document.body.appendChild(document.createElement("div"));
        place.id = frame.id;
        place.style.cssText = "position:fixed;right:0;bottom:0;width:300px;height:200px;z-index:99";
        const api = (name, args) => {
            window.calls.push([name, args]);
            if (name === "fail") throw new Error("it cannot be done");
            if (name === "echo") return args[0];
            if (name === "later") { window.later = args[0]; return null; }
            if (name === "getPlugin") return window.started[args[0]].interface;
            return `${name} done`;
        };
        const tell = (event, detail) => { window.told.push([event, detail]); };
        window.started[frame.id] = await startFrame(frame, api, tell, place);
        return Object.keys(window.started[frame.id].interface);
    };
}"""


def bundle(folder: Path) -> Path:
    """The module that starts frames, built for a page."""
    node = Path(sys.executable).with_name("node")
    subprocess.run([node, WEB / "tests/imjoy/bundle.mjs", folder], cwd=WEB, check=True)
    return folder / "frames.js"


def prepare(app: App, server: Running, bundled: Path) -> None:
    """Open the app, with `begin(frame)` in its page: it keeps what is called, told and started."""
    app.page.route("**/frames_of_tests.js", lambda route: route.fulfill(path=bundled))
    app.visit(server.address)
    app.page.evaluate(_HARNESS)


def frame(kind: str = "window", *code: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What the host would say of a frame."""
    return {
        "id": "one",
        "plugin": "",
        "name": "One",
        "kind": kind,
        "version": "0.1.0",
        "api_version": "0.1.8",
        "tag": "",
        "namespace": "",
        "workspace": "default",
        "lang": "javascript",
        "page": "",
        "worker": "",
        "python": None,
        "permissions": [],
        "network": False,
        "allow_execution": True,
        "code": list(code),
        "names": ["alert", "echo", "fail", "later", "getPlugin", "utils.sleep"],
        "constants": {"TAG": "stable", "config": {"workspace": "default"}},
        "window": None,
        **more,
    }


def code(kind: str, content: str = "", **more: Any) -> dict[str, Any]:
    """A piece of a plugin's code."""
    entry = {"type": kind, "content": content, "lang": "", "attrs": {}, "src": "", "address": ""}
    return {**entry, **more}


def script(content: str, **attrs: str) -> dict[str, Any]:
    """A script."""
    return code("script", content, attrs=attrs, lang=attrs.get("lang", ""))
