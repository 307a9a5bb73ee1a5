"""`import opsin` is cheap, so that a script, a completion or `opsin --help` never waits for it."""

import json
import resource
import subprocess
import sys
from pathlib import Path

RUNS = 10


def cpu_seconds(*arguments: str | Path) -> float:
    """The processor time of a fresh process: the least of several, as noise only adds."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(arguments, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(RUNS))


def test_import_takes_under_100_ms() -> None:
    bare = cpu_seconds(sys.executable, "-c", "pass")
    assert cpu_seconds(sys.executable, "-c", "import opsin") - bare < 0.100


def test_help_takes_under_300_ms() -> None:
    assert cpu_seconds(Path(sys.executable).with_name("opsin"), "--help") < 0.300


def test_import_brings_nothing_heavy() -> None:
    code = "import json, sys, opsin; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    heavy = {"asyncio", "imagecodecs", "numcodecs", "numpy", "obstore", "rich", "starlette",
             "tifffile", "uvicorn", "websockets", "zarr"}  # fmt: skip
    assert heavy & set(json.loads(done.stdout)) == set()
