"""What ImJoy's requirements and environments ask for, in terms of PyPI."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from opsin.errors import PluginError
from opsin.plugins.imjoy_needs import (
    COMES_ALONG,
    OTHERWISE,
    SAME,
    ImjoyNeeds,
    Repository,
    engine_needs,
    listed_needs,
    needs,
)


@pytest.mark.parametrize(
    ("asked", "requirements"),
    [
        (None, ()),
        ([], ()),
        ("numpy", ("numpy",)),
        ("keras==2.1.4 tensorflow", ("keras==2.1.4", "tensorflow")),
        (["pip: numpy  matplotlib ", "scipy"], ("numpy", "matplotlib", "scipy")),
        (["pip:numpy >= 1.16, <2 scipy"], ("numpy<2,>=1.16", "scipy")),
        (["numpy, pandas,six"], ("numpy", "pandas", "six")),
        (["pip: 'numpy>=2' \"six\""], ("numpy>=2", "six")),
        (["pip: dask[array,diagnostics] zarr"], ("dask[array,diagnostics]", "zarr")),
        (["pip: torch; python_version < '3.8'"], ('torch; python_version < "3.8"',)),
        (["pip: -U --no-cache-dir numpy"], ("numpy",)),
        (["pip: six==1.1", "pip: six==1.2"], ("six==1.2",)),
        (["PIP: six", "cache:https://x.org/a.js"], ("six",)),
        (["conda: numpy=1.16 scipy==1.2 six>=1,<2"], ("numpy==1.16.*", "scipy==1.2", "six<2,>=1")),
        (["conda:numpy=1.16.*=py37_0"], ("numpy==1.16.*",)),
        (["conda: conda-forge::tifffile"], ("tifffile",)),
        (
            ["git+https://github.com/a/b.git@v1#egg=c"],
            ("c @ git+https://github.com/a/b.git@v1",),
        ),
        (["pip: git+https://github.com/a/b@v1"], ("b @ git+https://github.com/a/b@v1",)),
        (
            ["https://x.org/a_b-1.0-py3-none-any.whl"],
            ("a-b @ https://x.org/a_b-1.0-py3-none-any.whl",),
        ),
        (["https://x.org/a-b-1.0.tar.gz"], ("a-b @ https://x.org/a-b-1.0.tar.gz",)),
        (
            ["https://github.com/u/r/archive/master.zip"],
            ("r @ https://github.com/u/r/archive/master.zip",),
        ),
        (
            ["pip: a[b] @ https://x.org/a-1.zip ; python_version < '4'"],
            ('a[b] @ https://x.org/a-1.zip ; python_version < "4"',),
        ),
    ],
)
def test_packages(asked: Any, requirements: tuple[str, ...]) -> None:
    found = needs(asked)
    assert found == ImjoyNeeds(requirements)
    for one in found.requirements:
        assert str(Requirement(one)) == one


@pytest.mark.parametrize(
    ("asked", "env", "found", "left_out"),
    [
        (["conda: pytorch cudatoolkit=10.0 -c pytorch"], None, ("torch",), 3),
        (["conda:pyqt=5.9", "conda:mkl"], None, ("PyQt5==5.9.*",), 2),
        (["pip: torch==1.4.0+cpu -f https://x.org/whl"], None, ("torch==1.4.0+cpu",), 1),
        ([], "conda create -n a python=3.7 numpy=1.2", ("numpy==1.2.*",), 1),
        ([], ["conda create -y --name a", "source activate a"], (), 0),
        ([], ["export A=1", {"type": "binder", "spec": "u/r"}], (), 2),
        ([], "pip install six", ("six",), 0),
    ],
)
def test_what_makes_no_difference_is_left_out_and_named(
    asked: list[str], env: Any, found: tuple[str, ...], left_out: int
) -> None:
    result = needs(asked, env)
    assert (result.requirements, len(result.left_out)) == (found, left_out)


def test_python() -> None:
    assert needs([], "conda create -n a python=3.12").python == "==3.12.*"
    assert needs([], ["conda create -n a python==3.13.1 six"]).python == "==3.13.*"
    assert needs(["conda: python=3.11"]).python == "==3.11.*"
    assert needs([], "conda create -n a python=3").python == ""
    old = needs([], "conda create -n a python=3.7")
    assert (old.python, old.older) == ("", "3.7")
    assert old.left_out == ("It asks for Python 3.7: Opsin runs plugins in Python 3.11 or later.",)
    with pytest.raises(PluginError, match="was written for Python 2"):
        needs([], "conda create -n a python=2.7 anaconda")


def test_repositories() -> None:
    asked = ["repo: https://github.com/a/models", "repo:https://x.org/b.git  other"]
    assert needs([*asked, asked[0]]).repositories == (
        Repository("https://github.com/a/models", "models"),
        Repository("https://x.org/b.git", "other"),
    )


def test_a_list_of_requirements_may_lie_in_a_repository() -> None:
    models = "repo: https://github.com/a/models"
    asked = needs([models, "cmd:pip install -r models/requirements.txt", "pip: -r models/b.txt"])
    assert asked.files == ("models/requirements.txt", "models/b.txt")
    for elsewhere in ("models/../a.txt", "other/a.txt", "/etc/passwd", "models//a.txt"):
        with pytest.raises(PluginError, match="does not bring"):
            needs([models, f"pip: -r {elsewhere}"])
    lines = ["# first", "", "numpy>=1.26  # fast", "six==1.16", "git+https://x.org/a.git#egg=c"]
    assert listed_needs(lines, "a.txt") == (
        "numpy>=1.26",
        "six==1.16",
        "c @ git+https://x.org/a.git",
    )
    with pytest.raises(PluginError, match=r"^In a\.txt: -r names a file"):
        listed_needs(["-r other.txt"], "a.txt")


def test_what_the_engine_had_is_there_for_scripts_that_import_it() -> None:
    scripts = ["import numpy, six\nfrom requests import get", "\n    import websocket\nsix = 1"]
    assert engine_needs(scripts) == ("requests", "websocket-client")
    assert engine_needs(["# import six\nimport sixth"]) == ()


@pytest.mark.parametrize(
    ("asked", "env", "said"),
    [
        (["cmd: curl x | sh"], None, "wants to run a command to install itself .'curl x | sh'."),
        ([], "rm -rf .", "wants to run a command to make its environment"),
        ([], "conda env create -f env.yml", "described in a file"),
        (["pip: -r requirements.txt"], None, "-r names a file .'requirements.txt'."),
        (["pip: -e ."], None, "-e names a file"),
        (["pip: ./lib"], None, "'./lib' is a file or folder"),
        (["pip: --config-settings=a"], None, "The option '--config-settings=a'"),
        (["pip: 'numpy"], None, "A quote is not closed"),
        (["pip: numpy$"], None, "'numpy\\$' is not understood"),
        (["conda: imagemagick"], None, "'imagemagick' is asked for from conda"),
        (["conda: =1"], None, "write it like 'conda: numpy=1.26'"),
        (["https://x.org/a.js"], None, "for plugins that run in a page"),
        (["js:https://x.org/a"], None, "for plugins that run in a page"),
        (["http://x.org/a-1.0.zip"], None, "begins with https://"),
        (["pip: a @ http://x.org/a-1.0.zip"], None, "begins with https://"),
        (["pip: a @ file:///etc/a"], None, "begins with https://"),
        (["git+ssh://git@github.com/a/b"], None, "begins with https://"),
        (["git+https://me:word@github.com/a/b"], None, "without a name or password"),
        (["https://x.org/download"], None, "cannot be told"),
        (["repo: git@github.com:a/b.git"], None, "is no repository that can be fetched"),
        (["repo: file:///home"], None, "is no repository that can be fetched"),
        (["repo: https://x.org/a ../../b"], None, "has a plain name"),
        (["repo: https://x.org/"], None, "has a plain name"),
        (["repo: https://x.org/a", "repo: https://y.org/a"], None, "Two repositories"),
        ([7], None, "is a text such as"),
        ({"a": 1}, None, "is a text such as"),
        (["x"] * 501, None, "far too long"),
        ([], [7], "is a command of conda"),
    ],
)
def test_what_cannot_be_had_is_said(asked: Any, env: Any, said: str) -> None:
    with pytest.raises(PluginError, match=said):
        needs(asked, env)


def test_no_package_of_conda_is_two_things() -> None:
    assert not SAME & OTHERWISE.keys()
    assert not COMES_ALONG & (SAME | OTHERWISE.keys())


WORDS = st.sampled_from(
    (
        *("pip:", "conda:", "repo:", "cmd:", "cache:", "numpy", "=1", "==", ">=2", "-f", "-r"),
        *("'", '"', "git+", "https://", "x.org/a", "#egg=", "@", "[", "]", ";", ",", " ", "\\"),
        *("python", "::", "conda create", "-n", "export", ".whl", "-1.0", "/archive/", "*", "2"),
        *("\0", "é", "~", "."),
    )
)
TEXTS = st.text(max_size=40) | st.lists(WORDS, max_size=12).map("".join)
VALUES = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=6,
)


@given(VALUES | st.lists(TEXTS, max_size=4), VALUES)
@example(["https://[x"], None)
@example(["repo: https://x.org:99999/a"], None)
@example(["pip: a @ https://[x"], None)
def test_anything_gives_needs_or_a_sentence(requirements: Any, env: Any) -> None:
    try:
        found = needs(requirements, env)
    except PluginError:
        return
    for one in found.requirements:
        parsed = Requirement(one)
        assert not one.startswith("-")
        assert parsed.url is None or parsed.url.startswith(("https://", "git+https://"))
    for repository in found.repositories:
        assert repository.url.startswith("https://")
        assert "/" not in repository.folder
        assert not repository.folder.startswith((".", "-"))
