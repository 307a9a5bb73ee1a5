"""`opsin write`, as it is typed."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from opsin.cli import main
from opsin.images.draft import kept_drafts
from opsin.images.memory import image_from_array
from opsin.images.readers import open_image, open_images
from opsin.images.write import write_image
from tests.images.write.outside import levels_of, noise, validated

OPSIN = Path(sys.executable).with_name("opsin")
DATA = Path(__file__).parent / "data"


def opsin(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [OPSIN, "write", *map(str, words)],
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_picture_in_colour(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(50, 40, 3, dtype="u1"), photometric="rgb")
    done = opsin(tmp_path, tmp_path / "a.tif", "a.ome.zarr", "--chunks", "16", "--ome", "0.6")
    assert (done.returncode, done.stdout, done.stderr) == (0, "a.ome.zarr\n", "")
    assert validated(tmp_path / "a.ome.zarr") == "0.6"
    with open_image(tmp_path / "a.tif") as image, open_image(tmp_path / "a.ome.zarr") as back:
        np.testing.assert_array_equal(back.read(), image.read().transpose(2, 0, 1))
        assert [channel.name for channel in back.channels] == ["red", "green", "blue"]


def test_every_option(tmp_path: Path) -> None:
    stack = noise(9, 50, 40)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    options = ["--chunks", "2,8,16", "--shards=4,16,32", "--codec", "zstd", "--levels", "3"]
    done = opsin(tmp_path, *options, "a.tif", "--halve", "zyx", "a.zarr", "--kind", "labels")
    assert (done.returncode, done.stderr) == (0, "")
    array = zarr.open_array(str(tmp_path / "a.zarr/2"), mode="r")
    assert (array.shape, array.chunks, array.shards) == ((3, 13, 10), (2, 8, 16), (4, 16, 32))
    assert "ZstdCodec" in str(array.metadata)
    with open_image(tmp_path / "a.zarr") as image:
        assert image.kind == "labels"


def test_labels_come_along_and_other_images_are_named(tmp_path: Path) -> None:
    image = image_from_array(noise(40, 40), name="cells", scale=(0.5, 0.5))
    mask = image_from_array(noise(40, 40, dtype="u4"), name="nuclei", kind="labels")
    write_image(image, tmp_path / "in.zarr", labels=(mask,))
    done = opsin(tmp_path, "in.zarr", "out.zarr")
    assert (done.returncode, done.stderr) == (0, "")
    one, two = open_images(tmp_path / "out.zarr")
    with one, two:
        assert (one.kind, two.kind, two.name) == ("image", "labels", "nuclei")
        assert one.levels[0].scale == (0.5, 0.5)
        np.testing.assert_array_equal(two.read(), mask.read())
    done = opsin(tmp_path, "in.zarr", "mask.zarr", "--image", "1")
    assert (done.returncode, done.stderr) == (0, "")
    with open_image(tmp_path / "mask.zarr") as back:
        assert back.kind == "labels"

    with tifffile.TiffWriter(tmp_path / "two.tif") as file:
        file.write(noise(30, 20))
        file.write(noise(10, 15, dtype="u1"))
    done = opsin(tmp_path, "two.tif", "first.zarr")
    assert done.returncode == 0
    assert re.fullmatch(
        r"opsin: two.tif has 2 images\. Left out, unless --image names it: 1 \(.*\)\.\n",
        done.stderr,
    )
    done = opsin(tmp_path, "two.tif", "second.zarr", "--image", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert levels_of(tmp_path / "second.zarr")[0].shape == (10, 15)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["no.tif", "o.zarr"], 1, "There is nothing at no.tif."),
        (["a.txt", "o.zarr"], 1, "a.txt begins with plain text"),
        (["a.tif", "no/o.zarr"], 1, "/no is no folder: make it first."),
        (["a.tif", "a.txt"], 1, "a.txt exists already: choose another name, or give --overwrite."),
        (["a.tif", "a.txt", "--overwrite"], 1, "is no zarr, so it is not overwritten"),
        (["a.tif", "a.tif", "--overwrite"], 2, "a.tif is read while a.tif is written"),
        (["a.tif", "o.zarr", "--chunks", "7"], 2, "give an even number"),
        (["a.tif", "o.zarr", "--chunks", "8,8,8"], 2, "3 sizes of chunks for an image of 2 axes"),
        (["a.tif", "o.zarr", "--chunks", "8", "--shards", "12"], 2, "not whole numbers of chunks"),
        (["a.tif", "o.zarr", "--codec", "lz5"], 2, "There is no codec 'lz5'"),
        (["a.tif", "o.zarr", "--ome", "1"], 2, "OME-Zarr 1 cannot be written"),
        (["a.tif", "o.zarr", "--halve", "zyx"], 2, "cannot be halved along z"),
        (["a.tif", "o.zarr", "--levels", "0"], 2, "cannot have 0 levels"),
        (["a.tif", "o.zarr", "--image", "1"], 2, "a.tif has one image, 0: there is no image 1."),
        (["a.tif", "o.zarr", "--kind", "labels"], 1, "a cannot be labels"),
    ],
)
def test_bad_input_is_one_clear_line(
    tmp_path: Path,
    words: list[str],
    status: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("a.tif", np.ones((20, 20), np.float32))
    Path("a.txt").write_text("some notes\n")
    assert main(["write", *words]) == status
    said, complaint = capsys.readouterr()
    (line,) = complaint.splitlines()
    assert said == ""
    assert line.startswith("opsin: ")
    assert message in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "a.txt"]


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source whose writing takes a while, and what comes of it."""
    folder = tmp_path_factory.mktemp("slow")
    array = np.random.default_rng(0).integers(0, 4096, (1536, 1536)).astype(np.uint16)
    stored = zarr.create_array(folder / "in.zarr", shape=array.shape, dtype="u2", chunks=(256, 256))
    stored[...] = array
    done = opsin(folder, "in.zarr", "whole.zarr", *SLOWLY)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def source(slow: Path, tmp_path: Path) -> Path:
    shutil.copytree(slow / "in.zarr", tmp_path / "in.zarr")
    return tmp_path / "in.zarr"


SLOWLY = ["--codec", "gzip", "--chunks", "64"]


def began(folder: Path) -> subprocess.Popen[str]:
    """A write in the middle of it."""
    process = subprocess.Popen(
        [OPSIN, "write", "in.zarr", "o.zarr", *SLOWLY],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while len([*folder.glob(".o.zarr.*/image/0/c/[1-9]*/*")]) < 100:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_the_same_command_goes_on(
    slow: Path, source: Path, number: signal.Signals
) -> None:
    folder = source.parent
    process = began(folder)
    process.send_signal(number)
    said, complaint = process.communicate(timeout=60)
    assert said == ""
    assert not (folder / "o.zarr").exists()
    (draft,) = kept_drafts(folder / "o.zarr")
    if number == signal.SIGKILL:
        assert process.returncode == -9
    else:
        assert process.returncode == 128 + number
        assert re.fullmatch(
            rf"opsin: Stopped\. \d+ of 770 chunks are kept in {re.escape(draft.name)}: the same "
            r"command goes on from there\.",
            complaint.splitlines()[-1],
        )
    done = opsin(folder, "in.zarr", "o.zarr", *SLOWLY)
    assert (done.returncode, done.stdout) == (0, "o.zarr\n")
    found = re.match(r"o.zarr goes on from (\d+) of 770 chunks\.\n", done.stderr)
    assert found is not None
    assert int(found[1]) >= 100
    assert tree(folder / "o.zarr") == tree(slow / "whole.zarr")
    assert not draft.exists()


def test_a_changed_source_is_written_from_the_beginning(source: Path) -> None:
    folder = source.parent
    process = began(folder)
    process.kill()
    process.communicate()
    stored = zarr.open_array(source, mode="r+")
    stored[1500:, 1500:] = 7
    done = opsin(folder, "in.zarr", "o.zarr", *SLOWLY)
    assert done.returncode == 0
    assert "o.zarr is written from the beginning: the image or the options are" in done.stderr
    np.testing.assert_array_equal(levels_of(folder / "o.zarr")[0], stored[...])
    assert kept_drafts(folder / "o.zarr") == []


def test_a_full_disk_is_one_line_and_can_be_gone_on_from(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        tifffile.imwrite(tmp_path / "a.tif", noise(1000, 1000, dtype="u1"))
        options = ["--codec", "none", "--chunks", "64"]
        done = opsin(tmp_path, "a.tif", "disk/o.zarr", *options)
        assert (done.returncode, done.stdout) == (1, "")
        line = done.stderr.splitlines()[-1]
        assert "o.zarr cannot be written: No space left on device. " in line
        assert line.endswith(": the same command goes on from there.")
        subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
        done = opsin(tmp_path, "a.tif", "disk/o.zarr", *options)
        assert done.returncode == 0
        assert " goes on from " in done.stderr
        np.testing.assert_array_equal(
            levels_of(disk / "o.zarr")[0], tifffile.imread(tmp_path / "a.tif")
        )
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_terminal_shows_a_bar(source: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [OPSIN, "write", "in.zarr", "o.zarr", "--codec", "gzip", "--chunks", "24"],
        cwd=source.parent, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], 30)[0]:
        try:
            shown += os.read(ours, 2**16)
        except OSError:  # the other end is closed
            break
    assert process.wait(20) == 0
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "Writing o.zarr ━" in text
    shares = {int(share) for share in re.findall(r"(\d+)%", text)}
    assert len(shares) >= 3 or any(0 < share < 100 for share in shares)  # a fast machine: few
    assert text.endswith("o.zarr\r\n")


def test_it_takes_little_memory(tmp_path: Path) -> None:
    """An image of 128 MiB, with all its levels, in 60 MiB beside what the program itself takes."""
    array = zarr.create_array(
        tmp_path / "in.zarr", shape=(8192, 8192), dtype="u2", chunks=(1024, 1024), fill_value=7
    )
    array[:1024] = 3
    code = (
        "import resource, sys; from opsin.cli import main; status = main(sys.argv[1:]); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for words in (["info", "in.zarr"], ["write", "in.zarr", "o.zarr"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks.append(int(done.stdout.split()[-1]) / 1024)
    assert peaks[1] - peaks[0] < 60
