"""`opsin run`, as it is typed."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest
import tifffile
from rich.console import Console

from opsin import console
from opsin.host.job import Job
from opsin.images.readers import open_image
from tests.host.plugins import write_plugin
from tests.workers.processes import workers_of

ROOT = Path(__file__).parents[1]
OPSIN = Path(sys.executable).with_name("opsin")
PICTURE = ROOT / "tests/data/nuclei/test/images/003.png"
NUCLEI = f"{ROOT / 'examples/plugins/nuclei.py'}:nuclei"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    stack = np.arange(3 * 40 * 50, dtype=np.uint16).reshape(3, 40, 50)
    tifffile.imwrite(tmp_path / "stack.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    channels = np.stack([stack[0], stack[0] + 7])
    tifffile.imwrite(tmp_path / "two.tif", channels, imagej=True, metadata={"axes": "CYX"})
    write_plugin(tmp_path)
    before = set(tmp_path.iterdir())
    yield tmp_path
    left = {path.name for path in set(tmp_path.iterdir()) - before}
    assert not [name for name in left if name.startswith(".")], "something half written is left"
    commands = [
        " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])
    ]
    assert not [command for command in commands if str(tmp_path) in command], "something lives on"


def running_in(folder: Path) -> list[str]:
    """Commands that run now and name a folder."""
    found = psutil.process_iter(["cmdline"])
    commands = (" ".join(process.info["cmdline"] or ()) for process in found)
    return [command for command in commands if str(folder) in command]


def opsin(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [OPSIN, "run", *map(str, words)],
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


def test_labels_are_written(folder: Path) -> None:
    done = opsin(folder, NUCLEI, PICTURE, "-o", "out.ome.zarr", "sigma=2", "min_size=50")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{folder / 'out.ome.zarr'}\n"
    with open_image(folder / "out.ome.zarr") as image:
        labels = image.read()
        assert image.kind == "labels"
    assert labels.max() > 10
    assert np.bincount(labels.ravel())[1:].min() >= 50


def test_words_may_come_in_any_order_and_inputs_by_name(folder: Path) -> None:
    words = ("trial.py:inside", "-o", "a.ome.zarr", "mask=stack.tif", "stack.tif")
    done = opsin(folder, *words)
    assert (done.returncode, done.stderr) == (0, "")
    with open_image(folder / "a.ome.zarr") as image:
        np.testing.assert_array_equal(image.read(), tifffile.imread(folder / "stack.tif"))


def test_several_results_go_to_several_files(folder: Path) -> None:
    outs = ["-o", "a.ome.zarr", "-o", "b.ome.zarr", "-o", "c.csv"]
    done = opsin(folder, "trial.py:parts", "stack.tif", *outs)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[2] == f"{folder / 'c.csv'} (3 rows)"
    sums = tifffile.imread(folder / "stack.tif").sum(axis=(1, 2))
    assert (folder / "c.csv").read_text().splitlines()[1:] == [
        f"{z},{n}" for z, n in enumerate(sums)
    ]


def test_one_channel_or_all(folder: Path) -> None:
    for words, expected in (([], (2, 40, 50)), (["--channel", "1"], (40, 50))):
        name = f"{len(words)}.ome.zarr"
        done = opsin(folder, "trial.py:bright", "two.tif", "-o", name, *words, "threshold=10")
        assert (done.returncode, done.stderr) == (0, "")
        with open_image(folder / name) as image:
            assert image.shape == expected
            truth = tifffile.imread(folder / "two.tif") > 10
            np.testing.assert_array_equal(image.read(), truth if len(expected) == 3 else truth[1])


OUT = ["-o", "o.ome.zarr"]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["trial.py:bright", "no.tif", *OUT], 1, "There is nothing at no.tif."),
        (["trial.py:dark", "stack.tif", *OUT], 1, "has no operation 'dark'"),
        (["no.py:x", "stack.tif", *OUT], 1, "There is no plugin at"),
        (["trial.py:bright", "stack.tif", *OUT, "threshold=x"], 2, "'x' is not a number."),
        (["trial.py:bright", "stack.tif", *OUT, "tresh=1"], 2, "has no parameter 'tresh'"),
        (["trial.py:bright", "stack.tif", "-o", "trial.py"], 1, "exists already"),
        (["trial.py:bright", "stack.tif", "-o", "no/o.ome.zarr"], 1, "is no folder"),
        (["trial.py:bright", "stack.tif", "-o", "o.png"], 2, "end with .ome.zarr"),
        (["trial.py:bright", "stack.tif", "stack.tif", *OUT], 2, "takes 1 images"),
        (["trial.py:bright", *OUT], 2, "needs an image"),
        (["trial.py:bright", "stack.tif", *OUT, "--level", "4"], 2, "has levels 0 to 0"),
        (["trial.py:bright", "two.tif", *OUT, "--channel", "9"], 2, "has no channel 9"),
        (["trial.py:small", "stack.tif", *OUT], 1, "give as many"),
    ],
)
def test_bad_input_is_one_clear_line(
    folder: Path, words: list[str], status: int, message: str
) -> None:
    done = opsin(folder, *words)
    assert (done.returncode, done.stdout) == (status, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("opsin: ")
    assert message in line
    assert not (folder / "o.ome.zarr").exists()


def test_what_a_plugin_raises_is_shown_with_its_traceback(folder: Path) -> None:
    done = opsin(folder, "trial.py:fails", "stack.tif", "-o", "o.ome.zarr")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[-1] == "opsin: fails failed with FileNotFoundError: no model"
    assert 'raise FileNotFoundError("no model")' in done.stderr
    assert not (folder / "o.ome.zarr").exists()


def test_last_words_of_a_plugin_that_dies_are_shown_once(folder: Path) -> None:
    (folder / "dies.py").write_text(
        "import os\nfrom opsin.types import Image\n\n"
        "def dies(image: Image) -> Image:\n    print('last words')\n    os.kill(os.getpid(), 9)\n"
    )
    done = opsin(folder, "dies.py:dies", "stack.tif", "-o", "o.ome.zarr")
    assert done.returncode == 1
    words, reason = done.stderr.splitlines()
    assert words == "last words"
    assert reason.startswith("opsin: The worker ended: it was killed by signal 9")


def test_a_full_disk_is_one_line(folder: Path) -> None:
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        tifffile.imwrite(folder / "large.tif", np.ones((500, 500), np.uint8))
        done = opsin(folder, "trial.py:noise", "large.tif", "-o", "disk/o.ome.zarr")
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.endswith("o.ome.zarr cannot be written: No space left on device.")
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_cancels_it_and_nothing_is_left(
    folder: Path, number: signal.Signals, status: int
) -> None:
    process = subprocess.Popen(
        [OPSIN, "run", "trial.py:slow", "stack.tif", "-o", "o.ome.zarr"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until_it_has_a_worker(process.pid)
    process.send_signal(number)
    _, complaint = process.communicate(timeout=20)
    assert (process.returncode, complaint) == (status, "")
    assert not (folder / "o.ome.zarr").exists()


def until_it_has_a_worker(pid: int) -> None:
    deadline = time.monotonic() + 20
    while not workers_of(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)


def test_a_terminal_shows_a_bar(folder: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [OPSIN, "run", "trial.py:slow", "stack.tif", "-o", "o.ome.zarr"],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 20
    while b"running" not in shown or len(set(re.findall(rb"0:00:0\d", shown))) < 3:
        assert time.monotonic() < deadline, shown
        if select.select([ours], [], [], 0.5)[0]:
            shown += os.read(ours, 2**16)
    process.send_signal(signal.SIGINT)
    while select.select([ours], [], [], 5)[0]:
        try:
            os.read(ours, 2**16)
        except OSError:  # the other end is closed
            break
    assert process.wait(20) == 130
    os.close(ours)
    assert "━".encode() in shown


def test_a_run_has_limits_if_they_are_given(folder: Path) -> None:
    asked = ("trial.py:slow", "stack.tif", "-o", "out.ome.zarr")
    done = opsin(folder, *asked, "--time-limit", "0.5")
    assert done.returncode == 1
    assert done.stderr.endswith(
        "opsin: It was ended, because it took longer than 0.5 seconds, its time limit: give it "
        "more with --time-limit (time_limit in Python).\n"
    )
    done = opsin(folder, "trial.py:bright", *asked[1:], "--memory-limit", "1G")
    assert (done.returncode, done.stderr) == (0, "")
    for limit in ("--time-limit=0", "--memory-limit=1M"):
        assert opsin(folder, *asked, limit).returncode == 2


def chat(watch: Callable[[Job], Coroutine[None, None, None]]) -> None:
    """A job that prints 100,000 lines while it is watched."""

    async def main() -> None:
        job = Job("Job", "plugin", "operation")

        async def work() -> None:
            job.enter("running")
            for number in range(100_000):
                job.say(f"[bold]line {number}")
                if number % 400 == 0:
                    await asyncio.sleep(0)
            job.enter("done")

        job.start(asyncio.create_task(work()))
        await watch(job)

    started = time.process_time()
    asyncio.run(main())
    assert time.process_time() - started < 8


LINES = [f"[bold]line {number}" for number in range(100_000)]


def test_many_lines_go_straight_to_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    chat(console._watched)
    assert capsys.readouterr().err.splitlines() == LINES


def test_many_lines_go_to_a_terminal_a_few_times_a_second() -> None:
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=80)
    chat(lambda job: console._with_bar(job, terminal))
    assert re.findall(r"\[bold\]line \d+$", shown.getvalue(), re.MULTILINE) == LINES
    assert shown.getvalue().count("━" * 40) < 100


def test_output_that_nobody_reads_stops_no_run(folder: Path) -> None:
    words = ["run", "trial.py:chatty", "stack.tif", "-o", "o.ome.zarr"]
    with subprocess.Popen([OPSIN, *words], cwd=folder, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.stderr.close()
        assert process.wait(60) == 0
    assert (folder / "o.ome.zarr").exists()
