"""Ports for servers that must be told where to listen, or come back to where they were."""

from __future__ import annotations

import random
import socket

OURS = range(20_000, 32_000)
"""Below those that systems give to whoever asks for any port."""


def free_port() -> int:
    """A port of this computer that nobody has, nor will be given."""
    draw = random.SystemRandom()
    while True:
        port = draw.choice(OURS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
