"""`write_image`, whose coarser levels are means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.writers.measure import CHUNK, measure

from opsin.images.readers import open_image
from opsin.images.write import write_image


def write(source: Path, out: Path, codec: str, method: str) -> None:
    named: dict[str, Any] = {} if codec == "default" else {"codec": codec}
    with open_image(source) as image:
        write_image(image, out, chunks=CHUNK, **named)


if __name__ == "__main__":
    measure(write)
