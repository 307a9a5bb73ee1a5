"""`<opsin-view>` in a page of another site."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from opsin.server.access import reading_token
from tests.end_to_end.app import App, decode_png
from tests.end_to_end.clients import pages
from tests.server.running import Running, opsin_view

VOLUME = Path(__file__).parents[1] / "data" / "volume" / "img3d.tif"
PAGE = """<!doctype html><title>A laboratory's page</title>
<script type="module" src="{base}/opsin_view.js"></script>
<opsin-view view="{view}" style="width: {width}px; height: {height}px"></opsin-view>"""


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with opsin_view([VOLUME]) as running:
        yield running


def base_of(server: Running) -> str:
    return f"{server.origin}/embed/{reading_token(server.token)}"


def until(page: Page, condition: str) -> None:
    page.wait_for_function(condition, timeout=60_000)


def picture(page: Page, element: str) -> Any:
    data = page.evaluate(
        f"""async () => {{
            await {element}.viewer.settled();
            const bytes = new Uint8Array(await (await {element}.viewer.capture()).arrayBuffer());
            return btoa(String.fromCharCode(...bytes));
        }}"""
    )
    return decode_png(base64.b64decode(data))


def test_a_page_of_another_site_shows_a_view(app: App, server: Running, tmp_path: Path) -> None:
    app.page.set_viewport_size({"width": 900, "height": 700})
    app.open(server)
    app.look(center=[20.0, 30.0], zoom=5.0, position={"z": 9.0})
    app.set_layer(0, gamma=0.6)
    app.page.wait_for_timeout(500)
    link = app.page.evaluate("location.href")
    width, height = app.size
    whole = app.capture()
    rows, columns = 240 + height % 2, 320 + width % 2  # the same middle
    top, left = (height - rows) // 2, (width - columns) // 2
    (tmp_path / "page.html").write_text(
        PAGE.format(base=base_of(server), view=link, width=columns, height=rows)
    )
    with pages(tmp_path) as site:
        page = app.context.new_page()
        page.goto(f"{site}/page.html")
        until(page, "document.querySelector('opsin-view')?.viewer?.camera?.zoom === 5")
        got = picture(page, "document.querySelector('opsin-view')")
        assert got.shape[:2] == (rows, columns)
        np.testing.assert_array_equal(got, whole[top : top + rows, left : left + columns])

        state = quote('{"version":1,"camera":{"center":[9,9],"zoom":3,"position":{"z":2}}}')
        page.evaluate(
            "view => document.querySelector('opsin-view').setAttribute('view', view)",
            f"#view={state}",
        )
        until(page, "document.querySelector('opsin-view').viewer.camera.zoom === 3")
        assert page.evaluate("document.querySelector('opsin-view').viewer.camera.position.z") == 2
        page.evaluate("document.querySelector('opsin-view').remove()")
        page.close()


def test_a_wrong_token_is_said(app: App, server: Running, tmp_path: Path) -> None:
    wrong = f"{server.origin}/embed/wrong/"
    element = f"<opsin-view src='{wrong}'></opsin-view>"
    script = f"<script type='module' src='{base_of(server)}/opsin_view.js'></script>"
    (tmp_path / "page.html").write_text(f"<!doctype html>{script}{element}")
    with pages(tmp_path) as site:
        page = app.context.new_page()
        page.goto(f"{site}/page.html")
        expect(page.locator("opsin-view p")).to_contain_text("Opsin cannot be reached")
        page.close()


def test_only_views_are_there(server: Running) -> None:
    base = base_of(server)
    asked = {"origin": "https://lab.example"}
    answer = httpx.get(f"{base}/colormaps", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    for path in ("api/view", "rpc", "stream", "../api/view", "%2e%2e/api/view"):
        assert httpx.get(f"{base}/{path}", headers=asked).status_code in (401, 403, 404)
    put = httpx.put(f"{base}/colormaps", headers=asked, content=b"{}")
    assert put.status_code == 405
    assert httpx.get(f"{server.origin}/embed/wrong/colormaps").status_code == 401
