"""Which operations are pure functions: those that are, and those that are not for each reason."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from opsin.host.functional import Verdict, verify
from opsin.host.host import Host
from opsin.host.registry import read_registered
from opsin.host.workspace import Workspace
from opsin.workers.forkservers import Forkservers
from tests.rpc.running import run

SOURCE = """
import os, random, subprocess, socket, sys, threading, time, uuid
from datetime import datetime
from pathlib import Path
import numpy as np
from opsin.types import Image, Labels, LazyImage, Metadata, Points, Table, progress

COUNT = 0

def smooth(image: Image, sigma: float = 2.0) -> Image:
    return (image + np.roll(image * sigma, 1, 0)) / (1 + sigma)

def in_place(image: Image) -> Image:
    image += 1
    return image

def numbered(image: Image) -> Labels:
    return np.cumsum(image > image.mean()).reshape(image.shape)

def measured(labels: Labels, image: Image, image_metadata: Metadata) -> Table:
    for _ in progress([1, 2]):
        pass
    return {"sum": np.bincount(labels.ravel(), weights=image.ravel())}

def moved(points: Points) -> Points:
    return points + 1

def seeded(image: Image) -> Image:
    return image + np.random.default_rng(1).random(image.shape)

def not_a_number(image: Image) -> Image:
    return np.where(image > 50, np.nan, image)

def imports(image: Image) -> Image:
    from scipy.ndimage import gaussian_filter
    return gaussian_filter(image, 1)

def temporary(image: Image) -> Image:
    import tempfile
    with tempfile.TemporaryFile() as file:
        np.save(file, image)
        file.seek(0)
        return np.load(file) * 2.0

def constant(image: Image) -> Table:
    return {"answer": [42]}

def ignores(image: Image) -> Image:
    return np.ones((5, 5))

def clock(image: Image) -> Table:
    return {"now": [time.time() + image.mean()]}

def day(image: Image) -> Table:
    return {"day": [time.strftime("%Y-%m-%d", time.localtime()) + str(image.sum())]}

def instant(image: Image) -> Table:
    return {"now": [str(datetime.now()) + str(image.sum())]}

def hash_seed(image: Image) -> Table:
    return {"hash": [hash("words") % 1000 + float(image.mean())]}

def order_of_a_set(image: Image) -> Table:
    return {"words": [str(set("a quick brown fox".split())) + str(image.sum())]}

def threads(image: Image) -> Table:
    return {"threads": [int(os.environ["OMP_NUM_THREADS"]) + float(image.mean())]}

def processors(image: Image) -> Table:
    return {"count": [os.cpu_count() + float(image.mean())]}

def chance(image: Image) -> Image:
    return image + np.random.random(image.shape)

def other_chance(image: Image) -> Image:
    return image + random.random()

def unique(image: Image) -> Table:
    return {"id": [str(uuid.uuid4()) + str(image.sum())]}

def counts(image: Image) -> Image:
    global COUNT
    COUNT += 1
    return image + COUNT

def reads(image: Image) -> Image:
    return image + len(Path("/etc/passwd").read_text()) * 1.0

def reads_beside(image: Image) -> Image:
    return image + len(Path(__file__).with_name("notes.txt").read_text()) * 1.0

def reads_if_it_can(image: Image) -> Image:
    try:
        return image + len(Path("/etc/hostname").read_text()) * 1.0
    except OSError:
        return image + 1

def lists(image: Image) -> Image:
    return image + len(os.listdir("/usr")) * 1.0

def writes(image: Image) -> Image:
    try:
        Path("/usr/opsin-was-here").write_text("x")
    except OSError:
        pass
    return image + 1

def program(image: Image) -> Image:
    return image + len(subprocess.run(["true"]).args)

def network(image: Image) -> Image:
    try:
        socket.create_connection(("127.0.0.1", 9), 1)
    except OSError:
        pass
    return image + 1

def fails(image: Image) -> Image:
    raise ValueError("it is too dark")

def ends(image: Image) -> Image:
    os._exit(3)

def of_a_table(table: Table) -> Table:
    return table

def of_a_file(image: Image, path: Path = Path("x")) -> Image:
    return image + 1

def of_nothing() -> Image:
    return np.ones((5, 5))
"""
SAME = "other results for the same input"
PURE = (
    "smooth",
    "in_place",
    "numbered",
    "measured",
    "moved",
    "seeded",
    "not_a_number",
    "imports",
    "temporary",
)
IMPURE = {
    "constant": "does not depend on its input",
    "ignores": "does not depend on its input",
    **dict.fromkeys(("clock", "day", "instant", "hash_seed", "order_of_a_set"), SAME),
    **dict.fromkeys(("threads", "processors", "chance", "other_chance", "unique"), SAME),
    "counts": SAME,
    "reads": "it reads /etc/passwd",
    "reads_beside": "notes.txt",
    "reads_if_it_can": "it reads /etc/hostname",
    "lists": "it reads /usr",
    "writes": "it writes /usr/opsin-was-here",
    "program": "it starts another program",
    "network": "it talks to others",
    "fails": "it fails on an example: ValueError: it is too dark",
    "ends": "it ended with status 3",
}
UNTRIED = {
    "of_a_table": "it takes table",
    "of_a_file": "it takes a file",
    "of_nothing": "it takes no image",
}


def test_what_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsin.host.functional.LONGEST", 0.3)
    path = tmp_path / "long.py"
    path.write_text(
        "import time\nfrom opsin.types import Image\n"
        "def sleeps(image: Image) -> Image:\n    time.sleep(100)\n"
    )

    async def main() -> Verdict:
        async with Host(Workspace(tmp_path / "workspace")) as host:
            forkservers = Forkservers(host.workspace.environments)
            try:
                program = host.program(read_registered(path), "sleeps", {})
                return await verify(program, host.workspace, forkservers)
            finally:
                await forkservers.close()

    assert run(main(), 60) == Verdict(None, "it takes longer than 0 s on an example")


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """Of all functions; two are tried at a time."""
    folder = tmp_path_factory.mktemp("functional")
    path = folder / "trial.py"
    path.write_text(SOURCE)
    path.with_name("notes.txt").write_text("four")
    plugin = read_registered(path)
    places = asyncio.Semaphore(2)

    async def main() -> dict[str, Verdict]:
        async with Host(Workspace(folder / "workspace")) as host:
            forkservers = Forkservers(host.workspace.environments)

            async def one(name: str) -> tuple[str, Verdict]:
                async with places:
                    program = host.program(plugin, name, {})
                    return name, await verify(program, host.workspace, forkservers)

            try:
                names = [*PURE, *IMPURE, *UNTRIED]
                return dict(await asyncio.gather(*map(one, names)))
            finally:
                await forkservers.close()

    found: dict[str, Verdict] = run(main(), 300)
    return found


@pytest.mark.parametrize("name", PURE)
def test_pure_functions_are(verdicts: dict[str, Verdict], name: str) -> None:
    assert verdicts[name] == Verdict(True)


@pytest.mark.parametrize("name", IMPURE)
def test_others_are_not_and_why(verdicts: dict[str, Verdict], name: str) -> None:
    assert verdicts[name].is_functional is False
    assert IMPURE[name] in verdicts[name].reason


@pytest.mark.parametrize("name", UNTRIED)
def test_what_is_not_tried_says_why(verdicts: dict[str, Verdict], name: str) -> None:
    assert verdicts[name].is_functional is None
    assert UNTRIED[name] in verdicts[name].reason
