"""`opsin serve`: no browser, images from its arguments and roots, and who may reach it."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from opsin.server.access import reading_token
from opsin.server.launch import is_loopback
from tests.server.running import OPSIN, opsin_serve

NUCLEI = Path(__file__).parents[1] / "data/nuclei/test/images/000.png"
TOKEN = "a-token-of-mine-0123456789"
OWN = {"OPSIN_TOKEN": TOKEN}


def refused(*words: str | Path) -> str:
    """What is said when the command does not start."""
    done = subprocess.run(
        [OPSIN, "serve", *map(str, words)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2, done
    assert done.stdout == ""
    return done.stderr


def test_it_serves_its_arguments_and_what_lies_below_roots(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "other.png").write_bytes(NUCLEI.read_bytes())
    (tmp_path / "secret.png").write_bytes(NUCLEI.read_bytes())
    with opsin_serve([NUCLEI], "--root", tmp_path / "more", environment=OWN) as server:
        assert server.token == TOKEN
        first, below = server.zarrs(2)
        assert httpx.get(f"{first}/zarr.json").status_code == 200
        assert below.endswith("/more/FILE.zarr")
        other = below.replace("FILE", "other.png")
        pixels = httpx.get(f"{other}/0/c/0/0")
        assert pixels.content == httpx.get(f"{first}/0/c/0/0").content
        for name in ("../secret.png", "%2e%2e/secret.png", "..%2Fsecret.png"):
            assert httpx.get(f"{below.replace('FILE', name)}/zarr.json").status_code == 404
        page = httpx.get(server.origin, cookies=server.cookies)
        assert page.status_code == 200
        assert "browser" not in server.text


def test_roots_are_enough(tmp_path: Path) -> None:
    with opsin_serve([], "--root", tmp_path) as server:
        assert httpx.get(server.origin, cookies=server.cookies).status_code == 200
        assert len(server.token) >= 32


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nothing to serve"),
        (["--root", "missing"], "--root"),
        (["--host", "192.0.2.1", NUCLEI], "no address of this computer"),
        (["--host", "no such host", NUCLEI], "no address of this computer"),
        (["--host", "0.0.0.0", "--plugin", "a.py", NUCLEI], "other computers can reach it"),
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str | Path], said: str) -> None:
    assert said in refused(*words)


def test_other_computers_are_let_in_only_when_asked_for_and_with_a_warning() -> None:
    with opsin_serve([NUCLEI], "--host", "0.0.0.0", environment=OWN) as server:
        pass_ = {"Authorization": f"Bearer {TOKEN}"}
        assert "other computers can reach this server" in server.text
        port = server.port
        for name in (
            "127.0.0.1",
            "localhost",
            socket.gethostname(),
            "203.0.113.9",
            "[2001:db8::1]",
        ):
            headers = {"Host": f"{name}:{port}", **pass_}
            answer = httpx.get(f"http://127.0.0.1:{port}/api/view", headers=headers)
            assert answer.status_code == 200, name
            own = {**headers, "Origin": f"http://{name}:{port}"}
            assert httpx.get(f"http://127.0.0.1:{port}/api/view", headers=own).status_code == 200
            other = {**headers, "Origin": "http://198.51.100.7"}
            assert httpx.get(f"http://127.0.0.1:{port}/api/view", headers=other).status_code == 403
        for name in (
            f"evil.example:{port}",
            "203.0.113.9:1",
            f"1.2.3.4:{port};x",
            f"a@1.2.3.4:{port}",
        ):
            headers = {"Host": name, **pass_}
            answer = httpx.get(f"http://127.0.0.1:{port}/api/view", headers=headers)
            assert answer.status_code in (400, 421), name
        bare = httpx.get(f"http://127.0.0.1:{port}/api/view")
        assert bare.status_code == 401, "the token is always needed"
        (address,) = server.zarrs(1)
        document = httpx.get(address.replace(socket.gethostname(), "127.0.0.1") + "/0/zarr.json")
        codecs = document.json()["codecs"]
        assert codecs[-1]["name"] == "zstd", "pixels are compressed on a network"


@pytest.mark.parametrize("level", ["none", "landlock"])
def test_untrusted_plugins_run_isolated_or_not_at_all(level: str) -> None:
    """That they run is shown in tests/host; here that a page is told why they do not."""
    said = "No plugins run here, because they are not trusted and nothing can isolate them"
    environment = {**OWN, "OPSIN_ISOLATION": level}
    with opsin_serve([NUCLEI], "--untrusted", environment=environment) as server:
        assert (said in server.text) == (level == "none")


def test_addresses_of_this_computer_alone() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("::")
    assert not is_loopback("192.0.2.1")
    assert not is_loopback("no such host")


def test_the_token_for_reading_follows_from_the_other_and_does_not_tell_it() -> None:
    assert reading_token(TOKEN) == reading_token(TOKEN)
    assert reading_token(TOKEN) != reading_token(TOKEN + "x")
    assert len(reading_token(TOKEN)) == 32
