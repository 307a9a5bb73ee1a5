"""Logs of runs: whole, if they are not too long, and there when the job is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from opsin.host import job_logs
from opsin.host.job_logs import LEFT_OUT, JobLogs
from tests.host.hosting import ended, hosting, layer, start
from tests.rpc.running import run

OPSIN = Path(sys.executable).with_name("opsin")


def test_a_run_keeps_all_that_it_printed(tmp_path: Path) -> None:
    async def main() -> str:
        async with hosting(tmp_path) as host:
            one = layer(np.ones((20, 30), np.uint8))
            job = await ended(start(host, tmp_path, "chatty", image=one))
            assert len(job.log) == 500
            quiet = await ended(start(host, tmp_path, "bright", image=one))
            host.forget_job(job.id)
            assert host.workspace.logs.read(job.id).splitlines() == lines
            assert host.workspace.logs.read(quiet.id) == ""
            return job.id

    lines = [f"line {number}" for number in range(2000)]
    id = run(main(), 60)
    (path,) = (tmp_path / "workspace" / "logs").iterdir()
    assert path.name == f"{id}.log"
    assert path.stat().st_mode & 0o777 == 0o600

    def opsin(*which: str) -> subprocess.CompletedProcess[str]:
        variables = os.environ | {"OPSIN_DATA": str(tmp_path / "workspace")}
        words = [str(OPSIN), "runs", "--log", *which]
        return subprocess.run(words, env=variables, capture_output=True, text=True, check=False)

    assert opsin().stdout == "Bright · one, level 0 has printed nothing.\n"
    assert opsin(id[:8]).stdout.splitlines() == lines
    unknown = opsin("nothing")
    assert (unknown.returncode, unknown.stderr) == (
        2,
        "opsin: nothing is no run: see `opsin runs`.\n",
    )


@pytest.mark.parametrize("count", [1, 50, 500, 5000])
@pytest.mark.parametrize("killed", [False, True])
def test_of_a_log_that_is_too_long_the_middle_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, killed: bool
) -> None:
    monkeypatch.setattr(job_logs, "HEAD", 2000)
    monkeypatch.setattr(job_logs, "TAIL", 1000)
    logs = JobLogs(tmp_path)
    lines = [f"this is line {number} of all\n" for number in range(count)]
    for line in lines:
        logs.write("a", line)
    if not killed:
        logs.end("a")
        logs.write("b", "of another run\n")
    text = logs.read("a")
    assert JobLogs(tmp_path).read("a") == text
    assert len(text) <= 2000 + 2 * 1000 + len(LEFT_OUT)
    if sum(map(len, lines)) <= 4000 - 1000:
        assert text == "".join(lines)
    else:
        head, tail = text.split(LEFT_OUT)
        assert "".join(lines).startswith(head)
        assert "".join(lines).endswith(tail)
        assert len(head) > 1900
        assert len(tail) >= 1000
    logs.close()
    assert (tmp_path / "a.log").exists()
    assert [path.name for path in tmp_path.glob("a.log.*")] == []


def test_the_oldest_go_when_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_logs, "MOST", 3)
    monkeypatch.setattr(job_logs, "MOST_BYTES", 250)
    for number in range(5):
        path = tmp_path / f"{number}.log"
        path.write_bytes(b"x" * (100 if number else 1))
        os.utime(path, (number, number))
    logs = JobLogs(tmp_path)
    logs.clear_up()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.log", "4.log"]


def test_a_disk_that_takes_nothing_stops_no_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logs = JobLogs(tmp_path / "nowhere")
    logs.write("a", "words\n")
    logs.end("a")
    assert logs.read("a") == ""
    logs.close()
    logs.write("a", "later\n")
    assert "The log of the run a could not be written" in caplog.text
