"""A real `opsin view` in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

OPSIN = Path(sys.executable).with_name("opsin")
ADDRESS = re.compile(r"http://[\w.-]+:\d+/\?token=\S+")


@dataclass
class Running:
    """A server that has said where it is."""

    process: subprocess.Popen[str]
    address: str
    output: list[str] = field(default_factory=list)

    @property
    def origin(self) -> str:
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def port(self) -> int:
        port = urlsplit(self.address).port
        assert port is not None
        return port

    @property
    def token(self) -> str:
        return self.address.partition("token=")[2]

    @property
    def cookies(self) -> dict[str, str]:
        return {f"opsin-token-{self.port}": self.token}

    @property
    def text(self) -> str:
        return "".join(self.output)

    def zarrs(self, count: int) -> list[str]:
        """The addresses of OME-Zarrs that it prints, as soon as there are so many."""
        deadline = time.monotonic() + 20
        while len(found := re.findall(r"^ +(http://\S+/zarr/\S+)$", self.text, re.M)) < count:
            assert time.monotonic() < deadline, f"no {count} addresses: {self.text}"
            time.sleep(0.01)
        return found


def opsin_view(
    paths: Sequence[str | Path], *flags: str, environment: dict[str, str] | None = None
) -> AbstractContextManager[Running]:
    """Run `opsin view` on paths; it is stopped with Ctrl-C at the end and must leave cleanly."""
    return _running(["view", *map(str, paths), "--no-browser", *flags], environment)


def opsin_serve(
    paths: Sequence[str | Path], *flags: str | Path, environment: dict[str, str] | None = None
) -> AbstractContextManager[Running]:
    """The same with `opsin serve`."""
    return _running(["serve", *map(str, paths), *map(str, flags)], environment)


@contextmanager
def _running(words: Sequence[str], environment: dict[str, str] | None) -> Iterator[Running]:
    command = [str(OPSIN), *words]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    output: list[str] = []
    found = threading.Event()
    address = ""

    def listen() -> None:
        nonlocal address
        assert process.stdout is not None
        for line in process.stdout:
            output.append(line)
            if (match := ADDRESS.search(line)) is not None:
                address = match[0]
                found.set()
        found.set()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        assert found.wait(60), "the server did not say where it is"
        assert address, f"the server ended: {''.join(output)}"
        yield Running(process, address, output)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            status = process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            thread.join(10)
            if process.stdout is not None:
                process.stdout.close()
    assert status in (0, -signal.SIGKILL), f"it ended with {status}: {''.join(output)}"
