"""Who may talk to the server: only this user's own pages, by token, Host and Origin."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from opsin.server import launch
from opsin.server.session import Session
from tests.server.running import OPSIN, Running, opsin_view

IMAGE = Path(__file__).parents[1] / "data/nuclei/test/images/000.png"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with opsin_view([IMAGE]) as running:
        yield running


def test_without_the_token_everything_is_refused(server: Running) -> None:
    for path in ("/", "/api/view", "/api/colormaps", "/index.html", "/?token=wrong", "/?token="):
        assert httpx.get(server.origin + path).status_code == 401, path
    page = httpx.get(server.origin, headers={"Accept": "text/html"})
    assert page.status_code == 401
    assert "opsin view" in page.text


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_cannot_use(
    server: Running,
) -> None:
    with httpx.Client() as client:
        page = client.get(server.address + "&clear=ff00ff")
        assert page.status_code == 200
        cookie = page.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        target = re.search(r"url=([^\"]*)", page.text)
        assert target is not None
        assert target[1] == "/?clear=ff00ff", "the token leaves the address, the rest stays"
        assert client.get(server.origin + "/api/view").status_code == 200
        app = client.get(server.origin)
        assert app.status_code == 200
        assert "default-src 'self'" in app.headers["content-security-policy"]


@pytest.mark.parametrize(
    "others",
    [
        "a=b",
        'prefs={"a": [1]}',
        "x=é",
        "bad cookie",
        "k@y=1",
        'theme="dark',
        "a[b]=1",
        "=",
        "opsin-token-{port}",
        "opsin-token-{port}=expired",
        "opsin-token-1=other",
    ],
)
def test_cookies_of_other_applications_do_no_harm(server: Running, others: str) -> None:
    odd = others.replace("{port}", str(server.port))
    own = cookie_header(server)["Cookie"]
    for header in (f"{odd}; {own}", f"{own};{odd}", f"{odd};  {own} ;{odd}"):
        answer = httpx.get(server.origin + "/api/view", headers={b"Cookie": header.encode()})
        assert answer.status_code == 200, header
    for header in (odd, f"{own}x", f"x{own}", f'note="; {own[:-1]}'):
        answer = httpx.get(server.origin + "/api/view", headers={b"Cookie": header.encode()})
        assert answer.status_code == 401, header


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("//evil.example/a", "/evil.example/a"),
        ("///evil.example", "/evil.example"),
        ("/%5Cevil.example", "/%5Cevil.example"),
        ("/%09/evil.example", "/%09/evil.example"),
        ("/%2F/evil.example", "/evil.example"),
        ("/%22%3E%3Cscript%3E", "/%22%3E%3Cscript%3E"),
        ("/a%20b/%3Fc", "/a%20b/%3Fc"),
    ],
)
def test_the_way_on_from_a_token_stays_here(server: Running, path: str, leads_to: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        host = f"127.0.0.1:{server.port}"
        raw.sendall(
            f"GET {path}?token={server.token}&q=%22 HTTP/1.1\r\nHost: {host}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        page = b"".join(iter(lambda: raw.recv(65536), b"")).decode()
    assert page.startswith("HTTP/1.1 200")
    assert f'content="0;url={leads_to}?q=%22"' in page
    assert f'href="{leads_to}?q=%22"' in page


def test_no_address_bar_keeps_a_token(server: Running) -> None:
    """Not that of somebody either who opens the printed address a second time."""
    with httpx.Client() as client:
        first = client.get(server.address)
        again = client.get(server.address)
        assert again.text == first.text
        assert 'content="0;url=/"' in again.text


def test_a_token_in_a_header_works_for_programs(server: Running) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    assert httpx.get(server.origin + "/api/view", headers=headers).status_code == 200
    headers = {"Authorization": "Bearer wrong"}
    assert httpx.get(server.origin + "/api/view", headers=headers).status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", "203.0.113.9:{port}", ""]
)
def test_another_host_name_is_refused(server: Running, host: str) -> None:
    headers = {"Host": host.format(port=server.port)}
    answer = httpx.get(server.origin, headers=headers, cookies=server.cookies)
    assert answer.status_code in (400, 421)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_another_sites_scripts_are_refused(server: Running, origin: str) -> None:
    headers = {"Origin": origin}
    answer = httpx.put(
        server.origin + "/api/view", headers=headers, cookies=server.cookies, json={}
    )
    assert answer.status_code == 403
    with pytest.raises(InvalidStatus):
        connect(
            server.origin.replace("http", "ws") + "/api/stream",
            additional_headers={"Origin": origin, **cookie_header(server)},
        )


def test_a_socket_without_token_or_origin_is_refused(server: Running) -> None:
    stream = server.origin.replace("http", "ws") + "/api/stream"
    with pytest.raises(InvalidStatus):
        connect(stream, origin=Origin(server.origin))
    with pytest.raises(InvalidStatus):
        connect(stream, additional_headers=cookie_header(server))


def test_only_loopback_listens(server: Running) -> None:
    hexadecimal = f"{server.port:04X}"
    listening = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[1].endswith(":" + hexadecimal) and line.split()[3] == "0A"
    ]
    assert listening == ["0100007F:" + hexadecimal]


def test_the_token_is_fresh_on_each_start_and_on_no_command_line(server: Running) -> None:
    with opsin_view([IMAGE]) as other:
        assert other.token != server.token
        assert len(other.token) >= 32
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                assert other.token not in process.read_text(errors="replace")
            except OSError:
                continue


def test_a_token_can_be_given_by_the_environment() -> None:
    with opsin_view([IMAGE], environment={"OPSIN_TOKEN": "a-token-of-mine-0123456789"}) as other:
        assert other.token == "a-token-of-mine-0123456789"


def test_the_browser_is_sent_by_a_private_file_that_goes_away(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    fake = tmp_path / "browser"
    fake.write_text(f'#!/bin/sh\necho "$1" > {seen}\n')
    fake.chmod(0o755)
    environment = {"BROWSER": f"{fake} %s", "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [str(OPSIN), "view", str(IMAGE)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 30
        while not seen.exists() or not seen.read_text().strip():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        page = Path(seen.read_text().strip().removeprefix("file://"))
        assert stat.S_IMODE(page.stat().st_mode) == 0o600
        assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700
        assert "token=" in page.read_text()
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert not page.exists()


def open_in_fake_browser(tmp_path: Path, temporary: Path) -> Path:
    """Run `opsin view` with a browser that only takes notes; the page that it was sent to."""
    seen = tmp_path / "seen"
    fake = tmp_path / "browser"
    fake.write_text(f'#!/bin/sh\necho "$1" > {seen}\n')
    fake.chmod(0o755)
    environment = {"BROWSER": f"{fake} %s", "TMPDIR": str(temporary)}
    process = subprocess.Popen(
        [str(OPSIN), "view", str(IMAGE)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 30
        while not seen.exists() or not seen.read_text().strip():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        page = Path(seen.read_text().strip().removeprefix("file://"))
        assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700
        assert "token=" in page.read_text()
        return page
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=20)
        assert process.returncode == 0, output


@pytest.mark.parametrize("what", ["a file", "a folder that others read", "a link to nowhere"])
def test_the_private_folder_may_be_taken(tmp_path: Path, what: str) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    taken = temporary / f"opsin-{os.getuid()}"
    if what == "a file":
        taken.write_text("mine")
    elif what == "a link to nowhere":
        taken.symlink_to(temporary / "nowhere")
    else:
        taken.mkdir(mode=0o755)
    page = open_in_fake_browser(tmp_path, temporary)
    assert page.parent.parent == temporary
    assert page.parent != taken
    assert list(temporary.iterdir()) == [taken], "what was made is removed"


def test_without_a_place_for_the_page_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "none"))
    monkeypatch.setattr(tempfile, "mkdtemp", nowhere)
    monkeypatch.setattr(uvicorn.Server, "run", lambda _server, **_: None)
    monkeypatch.setattr(launch, "_open", lambda _page: True)
    said: list[str] = []
    listener = launch.bind(0)
    launch.serve(Session([], 2**24), listener, token="t" * 20, announce=said.append)
    assert len(said) == 2
    assert said[1] == "No browser could be opened here: open the address above in one."


def test_a_closed_terminal_ends_it_in_order_unless_nohup_says_otherwise(tmp_path: Path) -> None:
    with opsin_view([IMAGE]) as other:
        other.process.send_signal(signal.SIGHUP)
        assert other.process.wait(20) == 0
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which a child inherits
    try:
        with opsin_view([IMAGE]) as other:
            other.process.send_signal(signal.SIGHUP)
            time.sleep(0.5)
            assert httpx.get(other.origin + "/api/view").status_code == 401
    finally:
        signal.signal(signal.SIGHUP, before)


def cookie_header(server: Running) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in server.cookies.items())}


@pytest.mark.parametrize("token", ["short", "with a space in it, long", "percent%20percent%20"])
def test_a_token_that_is_not_safe_is_refused(token: str) -> None:
    done = subprocess.run(
        [str(OPSIN), "view", str(IMAGE), "--no-browser"],
        env={**os.environ, "OPSIN_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "OPSIN_TOKEN" in done.stderr
    assert done.stdout == ""


def test_a_taken_port_is_told_before_anything_else(server: Running) -> None:
    done = subprocess.run(
        [str(OPSIN), "view", str(IMAGE), "--no-browser", "--port", str(server.port)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert str(server.port) in done.stderr
    assert done.stdout == ""


def test_sigterm_ends_it_in_order() -> None:
    with opsin_view([IMAGE]) as other:
        other.process.terminate()
        assert other.process.wait(20) == 0


def test_it_may_be_stopped_at_any_moment() -> None:
    for delay in (0.0, 0.02, 0.05, 0.1, 0.2, 0.4):
        with opsin_view([IMAGE]):
            time.sleep(delay)  # leaving sends Ctrl-C, and wants an exit in order


def test_answers_come_at_once(server: Running) -> None:
    with httpx.Client(base_url=server.origin, cookies=server.cookies) as client:
        client.get("/")
        took = []
        for _ in range(9):
            started = time.perf_counter()
            client.get("/api/view")
            took.append(time.perf_counter() - started)
    assert min(took) < 0.03, "Nagle's algorithm takes 40 ms"
