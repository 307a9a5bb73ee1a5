"""The files of the web app: what they are served as, and that nothing else is."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from opsin.server.web_app import STATIC, web_app

SCRIPTS = sorted(path.name for path in (STATIC / "assets").glob("*.js"))


def ask(path: str, method: str = "GET") -> httpx.Response:
    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=[Mount("/", web_app)]))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path)

    return asyncio.run(answer())


def test_a_script_comes_whole_and_for_ever() -> None:
    answer = ask(f"/assets/{SCRIPTS[0]}")
    assert answer.content == (STATIC / "assets" / SCRIPTS[0]).read_bytes()
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]


def test_what_keeps_its_name_is_asked_for_anew() -> None:
    answer = ask("/opsin_view.js")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    ["/", "/nothing.js", "/assets", "/assets/%2e%2e/%2e%2e/app.py", "/%2e%2e/app.py", "/a%00b"],
)
def test_nothing_else_is_served(path: str) -> None:
    assert ask(path).status_code == 404


def test_nothing_can_be_put_there() -> None:
    assert ask("/opsin_view.js", "PUT").status_code == 405
