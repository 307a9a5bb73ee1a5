"""What frames of plugins load, and the token that opens nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from opsin.server.access import frame_token, network_frame_token, reading_token
from opsin.server.plugin_frames import frame_policy
from tests.server.running import Running, opsin_view

IMAGE = Path(__file__).parents[1] / "data" / "volume" / "img3d.tif"
OPAQUE = {"Origin": "null"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("data")
    files = data / "fetched" / "files" / "abc"
    files.mkdir(parents=True)
    (files / "a.js").write_text("1")
    (data / "fetched" / "secret.txt").write_text("secret")
    (data / "secret.txt").write_text("secret")
    app = data / "fetched" / "apps" / "viewer"
    app.mkdir(parents=True)
    (app / "index.html").write_text(
        "<html><HEAD><script src='https://lib.imjoy.io/imjoy-loader.js'></script></head></html>"
    )
    with opsin_view([IMAGE], environment={"OPSIN_DATA": str(data)}) as running:
        yield running


def closed(server: Running) -> str:
    return f"{server.origin}/plugin/{frame_token(server.token)}"


def opened(server: Running) -> str:
    return f"{server.origin}/plugin/{network_frame_token(server.token)}"


@pytest.mark.parametrize("name", ["frame.html", "frame.js", "worker.js", "imjoy-loader.js"])
def test_a_frame_is_served_to_an_opaque_origin(server: Running, name: str) -> None:
    answer = httpx.get(f"{closed(server)}/{name}", headers=OPAQUE)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox ")
    assert "allow-same-origin" not in policy


def test_what_was_fetched_is_served(server: Running) -> None:
    answer = httpx.get(f"{closed(server)}/files/abc/a.js", headers=OPAQUE)
    assert (answer.status_code, answer.text) == (200, "1")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    [
        "files/abc/b.js",
        "files/../secret.txt",
        "files/%2e%2e/secret.txt",
        "files/..%2f..%2fsecret.txt",
        "other/abc/a.js",
        "files/abc",
        "files/abc/%00",
        "index.html",
        "api/view",
        "outside.html",
    ],
)
def test_nothing_else_is_served(server: Running, path: str) -> None:
    assert httpx.get(f"{closed(server)}/{path}").status_code in (401, 404)


def test_the_page_around_others_needs_the_network(server: Running) -> None:
    assert httpx.get(f"{opened(server)}/outside.html").status_code == 200


def test_the_token_of_frames_opens_nothing_else(server: Running) -> None:
    for token in (frame_token(server.token), network_frame_token(server.token)):
        for path in ("/api/view", f"/zarr/{token}/0/zarr.json", f"/embed/{token}/colormaps", "/"):
            headers = {"Authorization": f"Bearer {token}"}
            assert httpx.get(f"{server.origin}{path}", headers=headers).status_code == 401
        page = httpx.get(f"{server.origin}/?token={token}", headers={"Accept": "text/html"})
        assert page.status_code == 401
    for token in (server.token, reading_token(server.token), "", "x"):
        assert httpx.get(f"{server.origin}/plugin/{token}/frame.html").status_code in (401, 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_frames_can_only_be_read(server: Running, method: str) -> None:
    answer = httpx.request(method, f"{closed(server)}/frame.html", headers=OPAQUE)
    assert answer.status_code == 401


def test_where_frames_are_is_said_to_the_app_only(server: Running) -> None:
    assert httpx.get(f"{server.origin}/api/frames").status_code == 401
    answer = httpx.get(f"{server.origin}/api/frames", cookies=server.cookies)
    assert answer.json() == {
        "closed": closed(server).removeprefix(f"{server.origin}/") + "/",
        "open": opened(server).removeprefix(f"{server.origin}/") + "/",
    }


def test_the_app_shows_frames_of_this_server_only(server: Running) -> None:
    answer = httpx.get(server.origin, cookies=server.cookies)
    rules = answer.headers["content-security-policy"].split("; ")
    (rule,) = (rule for rule in rules if rule.startswith("frame-src"))
    assert all(source.endswith("/plugin/") for source in rule.split()[1:])


def test_an_application_gets_opsins_loader(server: Running) -> None:
    text = httpx.get(f"{closed(server)}/apps/viewer/").text
    assert "lib.imjoy.io" not in text
    assert text.count(f"{closed(server)}/imjoy-loader.js") == 2


def test_a_frame_without_the_network_may_load_from_here_only() -> None:
    base = "http://127.0.0.1:1/plugin/abc/"
    rules = dict(rule.partition(" ")[::2] for rule in frame_policy(base, network=False).split("; "))
    assert rules["connect-src"].split() == [base, "blob:", "data:"]
    assert "allow-popups" not in rules["sandbox"]
    assert rules["default-src"] == rules["form-action"] == "'none'"
