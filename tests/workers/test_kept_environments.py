"""What is kept of environments, and what goes. The folders are real, the packages are not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsin.workers.kept_environments import (
    ASKED,
    COMPLETE,
    DAY,
    UNUSED,
    Kept,
    forget_locks,
    in_use,
    keep_for,
    keep_no_more,
    kept,
    remove,
    remove_unused,
    to_remove,
    used_file,
)

HOLD = """
import sys
from pathlib import Path
from opsin.workers.kept_environments import in_use
with in_use(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def made(folder: Path, key: str, days: float = 0.0, *, whole: bool = True, kib: int = 64) -> Path:
    """An environment of so many KiB, used so many days ago."""
    home = folder / key
    home.mkdir(parents=True)
    (home / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (home / "library.so").write_bytes(os.urandom(kib << 10))
    (home / ASKED).write_text("numpy\nsix==1.16.0\n")
    if whole:
        (home / COMPLETE).write_text("numpy==2.0.0 --hash=sha256:00\n# six==1\nsix==1.16.0\n")
    at = time.time() - days * DAY
    used_file(home).touch()
    for path in (home, used_file(home)):
        os.utime(path, (at, at))
    return home


def test_what_is_there_is_told(tmp_path: Path) -> None:
    assert kept(tmp_path / "nothing") == []
    home = made(tmp_path, "old", 3)
    made(tmp_path, "new", 1, whole=False)
    (tmp_path / "locks").mkdir()
    os.link(home / "library.so", tmp_path / "cached.so")
    new, old = kept(tmp_path)
    assert (new.key, new.whole, new.packages) == ("new", False, 0)
    assert (old.key, old.whole, old.packages, old.busy) == ("old", True, 2, False)
    assert old.asked == ("numpy", "six==1.16.0")
    assert old.bytes >= 64 << 10 > old.own
    assert abs(time.time() - old.used - 3 * DAY) < 60


def test_one_in_use_stays_until_its_user_is_killed(tmp_path: Path) -> None:
    home = made(tmp_path, "one", 200)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, home], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "held\n"
        (one,) = kept(tmp_path)
        assert one.busy
        assert time.time() - one.used < 60
        assert not remove(one)
        assert (home / COMPLETE).exists()
        process.kill()
    assert remove(one)
    assert list(tmp_path.iterdir()) == []


def test_several_use_one_at_once(tmp_path: Path) -> None:
    home = made(tmp_path, "one")
    with in_use(home), in_use(home):
        assert kept(tmp_path)[0].busy
    assert not kept(tmp_path)[0].busy


def test_what_is_unused_for_long_or_unfinished_goes_by_itself(tmp_path: Path) -> None:
    for key, days, whole in (("a", 1, True), ("b", UNUSED / DAY + 1, True), ("c", 1, False)):
        made(tmp_path, key, days, whole=whole)
    assert {one.key for one in remove_unused(tmp_path)} == {"b", "c"}
    assert [one.key for one in kept(tmp_path)] == ["a"]


def test_one_that_plugins_lie_in_stays_until_the_last_is_removed(tmp_path: Path) -> None:
    home = made(tmp_path, "one", 200)
    keep_for(home, "napari-a")
    keep_for(home, "napari-b")
    keep_for(home, "napari-a")
    assert kept(tmp_path)[0].kept_for == ("napari-a", "napari-b")
    keep_no_more(home, "napari-a")
    assert remove_unused(tmp_path) == []
    keep_no_more(home, "napari-b")
    assert [one.key for one in remove_unused(tmp_path)] == ["one"]


def test_locks_are_forgotten(tmp_path: Path) -> None:
    assert forget_locks(tmp_path) == 0
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "a.txt").touch()
    assert forget_locks(tmp_path) == 1
    assert list((tmp_path / "locks").iterdir()) == []


ENVIRONMENTS = st.lists(
    st.builds(
        Kept,
        key=st.uuids().map(str),
        home=st.just(Path("/nowhere")),
        asked=st.just(()),
        packages=st.integers(0, 9),
        used=st.floats(0, 1000),
        bytes=st.integers(0, 100),
        own=st.integers(0, 100),
        busy=st.booleans(),
        whole=st.booleans(),
        kept_for=st.sampled_from([(), (), ("napari-skimage",)]),
    ),
    max_size=12,
)


@given(
    ENVIRONMENTS,
    st.none() | st.floats(0, 1000),
    st.none() | st.integers(0, 400),
)
def test_the_longest_unused_go_first_and_no_more_than_have_to(
    there: list[Kept], older: float | None, most: int | None
) -> None:
    now = 1000.0
    going = to_remove(there, now, older=older, most=most)
    staying = [one for one in there if one not in going]
    assert not any(one.busy or one.kept_for for one in going)
    if older is not None:
        assert not any(now - one.used >= older and not one.stays for one in staying)
    if older is None and most is None:
        assert going == []
    if most is not None:
        total = sum(one.own for one in staying)
        assert total <= most or all(one.stays or not one.own for one in staying)
        if older is None and going:
            assert total + going[-1].own > most, "more went than had to"


@pytest.mark.parametrize("name", ["used", "locks", "x.making"])
def test_other_files_are_no_environments(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert kept(tmp_path) == []
