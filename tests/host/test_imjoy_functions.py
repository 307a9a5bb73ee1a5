"""opsin.load of a plugin of ImJoy, in a program of its own: it must end with its workers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.host.imjoy_desks import plugin
from tests.test_console import running_in

SUMS = plugin(
    "Sums",
    """
import numpy as np
from imjoy import api

class ImJoyPlugin:
    def setup(self):
        pass

    def run(self, ctx):
        given = ctx.data.image if ctx.data.image is not None else [1, 2]
        return ctx.config.factor * np.asarray(given)

    def total(self, image, scale=1):
        return int(image.sum()) * scale

    async def each(self, values, told):
        return [await told(one) for one in values]

    def counter(self):
        count = [0]
        def more(by=1):
            count[0] += by
            return count[0]
        return {"more": more}

    async def asked(self):
        return await api.prompt("Your name?")

    async def given(self):
        await api.exportFile("text", "a.txt")

    def fails(self):
        raise KeyError("missing")

api.export(ImJoyPlugin())
""",
    ui="Factor {id: 'factor', type: 'number', placeholder: 2}",
)
BEGIN = """
import asyncio
from pathlib import Path
import numpy as np
import opsin
"""


def program(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    (folder / "Sums.imjoy.html").write_text(SUMS)
    path = folder / "program.py"
    path.write_text(BEGIN + script)
    done = subprocess.run(
        [sys.executable, "-W", "error", path],
        cwd=folder, text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert running_in(folder) == [], "something lives on"
    return done


def test_what_a_plugin_exports_is_called_and_awaited(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        """
sums = opsin.load("Sums.imjoy.html", answers={"name": "Ada"}, folder=".")
assert dir(sums) == sorted(
    ["asked", "counter", "each", "fails", "given", "run", "setup", "total"]
)
tripled = sums.run(factor=3, data={"image": np.arange(4.0)})
np.testing.assert_array_equal(tripled, [0, 3, 6, 9])
tripled[0] = 7  # it is the caller's own
np.testing.assert_array_equal(sums.run(), [2, 4])
np.testing.assert_array_equal(sums.run({"config": {"factor": 5}, "data": {}}), [5, 10])
assert sums.total(np.ones((4, 5)), scale=2) == 40
assert sums.each([1, 2], lambda value: value * 10) == [10, 20]
more = sums.counter()["more"]
assert [more(), more(by=4)] == [1, 5]
assert sums.asked() == "Ada"
sums.given()
assert Path("a.txt").read_text() == "text"

async def both():
    return await asyncio.gather(sums.total_async(np.ones(3)), sums.run_async(factor=1))

total, once = asyncio.run(both())
assert total == 3
np.testing.assert_array_equal(once, [1, 2])
np.testing.assert_array_equal(opsin.run("Sums.imjoy.html", factor=9), [9, 18])
with opsin.load("Sums.imjoy.html") as other:
    assert other.total(np.ones(2)) == 2
""",
    )
    assert (done.returncode, done.stderr.splitlines()[1:]) == (0, []), done.stderr
    assert "wrote" in done.stderr


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("opsin.load('nothere.imjoy.html')", "There is"),
        ("sums.nope", "AttributeError: Sums exports no nope, but "),
        ("sums.run(wrong=1)", "UsageError: run has no parameter 'wrong': it has factor."),
        ("sums.run(1)", "UsageError: Give run the values of its form by name"),
        ("sums.asked()", "UsageError: Sums asks “Your name?”: give the answer before, with opsin."),
        ("sums.given()", "UsageError: Sums gives a file, a.txt: say where it goes."),
        ("sums.fails()", "KeyError: 'missing'"),
        ("opsin.load('Sums.imjoy.html', in_process=True)", "UsageError: A plugin of ImJoy runs in"),
    ],
)
def test_what_goes_wrong_is_said(tmp_path: Path, call: str, error: str) -> None:
    begin = 'sums = opsin.load("Sums.imjoy.html")\n' * ("sums." in call)
    done = program(tmp_path, f"{begin}{call}\n")
    assert done.returncode == 1
    assert error in done.stderr
