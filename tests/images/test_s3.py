"""S3: a real S3-compatible server, real images in a bucket, and what goes wrong in one sentence."""

from __future__ import annotations

import asyncio
import http.server
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import imagecodecs
import numpy as np
import pytest

from opsin.cli import main
from opsin.errors import Corrupt, NotFound, OpenError, ReadError, Unreachable
from opsin.images.memory import image_from_array
from opsin.images.readers import open_image, open_images
from opsin.images.remote_store import HttpStore, S3Store, remote_store
from opsin.images.store import Store
from opsin.images.waiting import wait_for
from opsin.images.write import write_image
from tests.fault_server import Site

PIXELS = np.random.default_rng(5).integers(0, 60000, (96, 128)).astype(np.uint16)
DATA = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An S3 server with `s3://private` (which wants a key) and `s3://public`."""
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=out,
            stderr=out,
            env={**os.environ, "MOTO_ACCOUNT_ID": "123456789012"},
        )
    try:
        end = time.monotonic() + 60
        while not (found := re.search(r"Running on (http://[\d.:]+)", log.read_text())):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        url = found[1]
        fill(url, tmp_path_factory.mktemp("upload"))
        yield url
    finally:
        server.terminate()
        server.wait(10)


def fill(url: str, folder: Path) -> None:
    write_image(image_from_array(PIXELS), folder / "cells.ome.zarr")
    (folder / "cells.png").write_bytes(imagecodecs.png_encode(PIXELS))
    (folder / "a b/ü").mkdir(parents=True)
    (folder / "a b/ü/0.0").write_bytes(DATA)
    (folder / "empty").write_bytes(b"")
    client = boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    for bucket, rights in (("private", "private"), ("public", "public-read")):
        client.create_bucket(Bucket=bucket)
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                key = f"some/{path.relative_to(folder).as_posix()}"
                client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes(), ACL=rights)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)


@pytest.fixture
def signed(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return endpoint


def test_a_bucket_answers_as_a_folder_does(signed: str) -> None:
    store = S3Store("s3://private/some/")

    async def read() -> None:
        key = "a b/ü/0.0"
        assert await store.get(key, limit=len(DATA)) == DATA
        assert await store.get("empty", limit=0) == b""
        assert await store.get("a b/none", limit=9) is None
        assert await store.get_range("none", start=3, length=2) is None
        assert await store.get_range(key, start=1000, length=70) == DATA[1000:1070]
        assert await store.get_range(key, start=10000) == DATA[10000:]
        assert await store.get_range(key, start=99999, length=9) == b""
        assert await store.get_range(key, suffix=20) == DATA[-20:]
        with pytest.raises(Corrupt, match=f"{len(DATA)} bytes, more than the 100"):
            await store.get(key, limit=100)
        assert await store.names("") == ("a b/", "cells.ome.zarr/", "cells.png", "empty")
        assert await store.names("a b/ü") == ("0.0",)
        assert await store.names("nothing") == ()

    wait_for(read())
    assert (store.where, store.provenance) == ("s3://private/some", "network")
    other = store.reopen()
    store.close()
    assert wait_for(other.get("empty", limit=9)) == b""
    with pytest.raises(ReadError, match="closed"):
        wait_for(store.get("empty", limit=9))
    other.close()


def test_images_open_from_a_bucket(signed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with open_image("s3://private/some/cells.ome.zarr") as image:
        assert (image.name, image.warnings) == ("cells", ())
        assert image.source.provenance == "network"
        np.testing.assert_array_equal(image.read(), PIXELS)
    with open_image("s3://private/some/cells.ome.zarr/0/") as image:
        np.testing.assert_array_equal(image.read(0, (slice(5, 70),)), PIXELS[5:70])
    with open_image("s3://private/some/cells.png") as image:
        np.testing.assert_array_equal(image.read(), PIXELS)
    assert main(["info", "s3://private/some/cells.ome.zarr"]) == 0
    assert capsys.readouterr().out.startswith("cells\n")


def test_what_is_in_a_bucket_is_listed(signed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "s3://private/some"]) == 0
    out = capsys.readouterr().out
    assert out == "s3://private/some  group\n  cells.ome.zarr  image, y 96 · x 128, uint16\n"
    assert main(["info", "s3://private/some/a b"]) == 1
    assert "There is nothing at s3://private/some/a b." in capsys.readouterr().err


def test_without_credentials_requests_are_anonymous(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    with open_image("s3://public/some/cells.ome.zarr") as image:
        np.testing.assert_array_equal(image.read(), PIXELS)
    with pytest.raises(OpenError) as caught:
        open_images("s3://private/some/cells.ome.zarr")
    assert str(caught.value).endswith(
        "may not be read: it is not public, and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are "
        "not set."
    )


def test_nothing_there_and_no_such_bucket(signed: str) -> None:
    with pytest.raises(NotFound, match=r"There is no zarr at s3://private/some/none\.zarr\."):
        open_image("s3://private/some/none.zarr")
    with pytest.raises(NotFound, match="There is nothing at s3://private/some/none"):
        open_image("s3://private/some/none.png")
    for address in ("s3://nowhere/a.zarr", "s3://nowhere/a.png"):
        with pytest.raises(OpenError, match=f"There is no bucket nowhere at {signed}"):
            open_image(address)
    with pytest.raises(ReadError, match="There is no bucket nowhere"):
        wait_for(S3Store("s3://nowhere").names("a"))


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (403, "<Code>AccessDenied</Code>", "the credentials in the environment do not allow it"),
        (403, "<Code>InvalidAccessKeyId</Code>", "does not take the key in AWS_ACCESS_KEY_ID"),
        (403, "<Code>SignatureDoesNotMatch</Code>", "does not take the key in AWS_ACCESS_KEY_ID"),
        (301, "<Code>PermanentRedirect</Code>", "is in another region: set AWS_REGION."),
        (
            400,
            "<Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region>",
            "is in another region: set AWS_REGION to eu-west-1.",
        ),
        (404, "<Code>NoSuchBucket</Code>", "There is no bucket private at http://127"),
        (400, "<Code>Odd</Code>", "answered 400 Bad Request."),
        (503, "<Code>SlowDown</Code>", "answered 503 Service Unavailable."),
    ],
)
def test_refusals(
    signed: str, monkeypatch: pytest.MonkeyPatch, status: int, body: str, message: str
) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(f"<Error>{body}</Error>".encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        try:
            with pytest.raises(ReadError) as caught:
                wait_for(S3Store("s3://private/some").get("x", limit=9))
        finally:
            server.shutdown()
            thread.join()
    assert message in str(caught.value)
    assert isinstance(caught.value, Unreachable) == (status == 503)
    assert "\n" not in str(caught.value)


def test_a_cancelled_read_stops_on_the_wire(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a bucket as of http, and no request that was waiting for its turn is made."""
    (site.root / "bucket/some").mkdir(parents=True)
    (site.root / "bucket/some/big").write_bytes(bytes(6 << 20))
    site.slow = "big"  # two seconds of it
    monkeypatch.setenv("AWS_ENDPOINT_URL", site.url)

    async def cancel(store: Store) -> None:
        tasks = [asyncio.create_task(store.get("big", limit=6 << 20)) for _ in range(80)]
        async with asyncio.timeout(10):
            while len(site.requests) < 32:  # noqa: ASYNC110 - the server has no loop
                await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)

    for url in ("s3://bucket/some", f"{site.url}/bucket/some"):
        store = remote_store(url)
        site.requests.clear()
        site.aborted.clear()
        wait_for(cancel(store))
        assert site.aborted.wait(2)
        time.sleep(0.1)
        assert len(site.requests) == 32
        store.close()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("AWS_ENDPOINT_URL", "http://example.org", "is not encrypted: use https"),
        ("AWS_ENDPOINT_URL", "http://10.0.0.1:9000", "is not encrypted: use https"),
        ("AWS_ENDPOINT_URL", "not an address", "is no http or https address"),
        ("AWS_ENDPOINT_URL", "http://h h/", "is no http or https address"),
        ("AWS_ENDPOINT_URL", "http://h:x", "is no http or https address"),
        ("AWS_ENDPOINT_URL", "ftp://h", "is no http or https address"),
    ],
)
def test_endpoints_that_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(OpenError, match=message):
        open_image("s3://bucket/a.zarr")


@pytest.mark.parametrize("place", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"])
def test_endpoints_of_this_computer_need_no_encryption(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", place)
    with pytest.raises(OpenError, match="did not answer"):
        open_image("s3://bucket/a.zarr")


@pytest.mark.parametrize("address", ["s3://a:b/c.zarr", "s3://-/c.zarr", "s3://é"])
def test_names_that_no_bucket_has(address: str) -> None:
    with pytest.raises(OpenError, match="cannot be read") as caught:
        open_image(address)
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------ signed addresses


def test_a_presigned_address_opens_one_file(signed: str) -> None:
    client = boto3.client("s3", endpoint_url=signed, region_name="us-east-1")
    where = {"Bucket": "private", "Key": "some/cells.png"}
    address = client.generate_presigned_url("get_object", Params=where)
    assert "Signature=" in address
    with open_image(address) as image:
        assert image.name == "cells"
        np.testing.assert_array_equal(image.read(), PIXELS)


def test_a_signature_for_many_keys_is_sent_with_each_and_told_to_nobody(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(image_from_array(PIXELS), site.root / "cells.ome.zarr")
    (site.root / "cells.png").write_bytes(imagecodecs.png_encode(PIXELS))
    site.query = "sv=2024&sig=SECRET%2F%3D"
    for name in ("cells.ome.zarr", "cells.ome.zarr/", "cells.png"):
        with open_image(f"{site.url}/{name}?{site.query}") as image:
            assert image.name == "cells"
            np.testing.assert_array_equal(image.read(), PIXELS)
            assert "SECRET" not in repr(image)
    asked = len(site.requests)
    assert main(["info", f"{site.url}/cells.ome.zarr?sig=SECRET2"]) == 1
    assert len(site.requests) > asked
    (site.root / "cells.png").write_bytes(b"no picture")
    assert main(["info", f"{site.url}/cells.png?{site.query}"]) == 1
    assert main(["info", f"{site.url}/none.zarr?{site.query}"]) == 1
    assert main(["info", "http://127.0.0.1:1/a.zarr?sig=SECRET"]) == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 4
    assert "SECRET" not in said.err + said.out
    assert "answered 403" in said.err
    assert "There is no zarr at" in said.err


def test_a_server_that_hides_what_is_missing(site: Site) -> None:
    """A bucket that may not be listed answers 403 for a key that is not there."""
    (site.root / "x").write_bytes(b"1")
    site.status["none"] = 403
    store = HttpStore(site.url)
    with pytest.raises(ReadError, match="answered 403"):
        wait_for(store.get("none", limit=9))
    assert wait_for(store.get("x", limit=9)) == b"1"
    assert wait_for(store.get("none", limit=9)) is None
