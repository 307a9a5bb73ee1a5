"""The build of PyTorch is chosen by whoever runs plugins: by what the real uv picks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from opsin.workers.environment import lock
from opsin.workers.package_sources import PackageSources, write_sources
from tests.workers.pytorch_index import VERSION, pytorch_index


@pytest.mark.parametrize("build", ["cpu", "cu128"])
def test_plugins_get_the_build_that_is_set(
    build: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytorch_index(tmp_path) as (proxy, trusted, asked):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
        folder = tmp_path / "environments"
        write_sources(folder, PackageSources(torch=build))
        locked = asyncio.run(lock(["torch"], folder=folder)).file.read_text()
        assert f"/whl/{build}/torch/" in asked
        assert f"torch=={VERSION}+{build}" in locked, locked
