"""What tests of images share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault_server import Site, serving


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server of `tmp_path / "site"`."""
    root = tmp_path / "site"
    root.mkdir()
    with serving(root) as site:
        yield site
