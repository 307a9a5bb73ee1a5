"""Any bytes are a plugin or a PluginError: soon, and without much memory."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.errors import PluginError
from opsin.plugins.formats.python_file import LARGEST_FILE, parse
from opsin.plugins.manifest import decode, encode

FILES = [path.read_bytes() for path in sorted(Path("examples/plugins").glob("*.py"))]
WORDS = [word.encode() for word in """
    Annotated[ Literal[ Optional[ Union[ tuple[ ] ( ) { } | , : = -> . * ** / @ - ' " # \\ None
    True 0 -1 1e999 Image Labels Field( Axes( "yx" Edge Edge.A Path float int bool str Metadata def
    class async lambda type Enum import from __future__ __all__ progress( # /// script # /// \ud7ff
    dependencies [tool.opsin] permissions \t \n    \r \x0c \xa0 \ufeff \u2028 \x00 _ f" r' b' \\N{
    """.replace("\n", " ").split(" ")]  # fmt: skip


def survives(content: bytes) -> None:
    with suppress(PluginError):
        plugin = parse(content, "p.py")
        assert decode(encode(plugin)) == plugin
        assert plugin.operations
        for operation in plugin.operations:
            operation.form()


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
def test_any_bytes(content: bytes) -> None:
    survives(content)


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_real_files_with_things_changed(data: st.DataObject) -> None:
    content = data.draw(st.sampled_from(FILES))
    pieces = st.sampled_from(WORDS) | st.binary(max_size=3)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        cut = data.draw(st.integers(0, 12))
        chunk = data.draw(st.sampled_from(FILES) | pieces)
        if len(chunk) > 30:
            at = data.draw(st.integers(0, len(chunk)))
            chunk = chunk[at : at + 30]
        content = content[:start] + chunk + content[start + cut :]
    survives(content)


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.sampled_from(["int", "float", "str", "None", "Image", "E", "A", "'a'", "3", "x.y"]),
        lambda inner: st.builds(
            lambda form, a, b: form.format(a=a, b=b),
            st.sampled_from(
                ["{a} | {b}", "Annotated[{a}, {b}]", "Literal[{a}, {b}]", "Optional[{a}]", "'{a}'",
                 "Annotated[{a}, Field(minimum={b})]", "tuple[{a}, {b}]", "Axes({a})", "{a}[{b}]",
                 "Annotated[{a}, {{'choices': [{b}]}}]", "({a})", "-{a}"]
            ),
            inner,
            inner,
        ),
        max_leaves=12,
    ),
    st.sampled_from(["", " = None", " = 3", " = E.A", " = 'a'", " = -A"]),
)  # fmt: skip
def test_any_annotation(annotation: str, default: str) -> None:
    survives(
        "from typing import *\nfrom enum import Enum\nfrom opsin.types import *\n"
        f"class E(Enum):\n    A = 1\nA = {annotation}\n"
        f"def f(x: {annotation}{default}, y: A = None) -> {annotation}: ...\n".encode()
    )


N = 30_000
DEEP = {
    "signs": "-" * N + "1",
    "negations": "not " * N + "1",
    "lambdas": "lambda: " * N + "1",
    "sums": "1 + " * N + "1",
    "unions": "int | " * N + "int",
    "powers": "1 ** " * N + "1",
    "attributes": "a" + ".b" * N,
    "some attributes": "a" + ".b" * 900,
    "calls": "a" + "()" * N,
    "items": "a" + "[1]" * N,
    "brackets": "(" * N + ")" * N,
    "lists": "[" * 150 + "]" * 150,
    "annotations": "Annotated[" * 150 + "int" + ", 1]" * 150,
    "conditions": "1 if 1 else " * (N // 4) + "1",
    "texts": "''" * N,
    "numbers": "[" + "1," * N + "]",
    "comparisons": "1 < " * N + "1",
    "formats": "f'" + "{1}" * (N // 6) + "'",
    "names in quotes": "'" + "(" * N + "'",
    "a type in quotes": "'" + "-" * N + "1'",
}


@pytest.mark.parametrize("where", ["value", "annotation", "default", "result"])
@pytest.mark.parametrize("deep", DEEP.values(), ids=DEEP.keys())
def test_deep_nesting(deep: str, where: str) -> None:
    value, annotation, default, result = (
        deep if name == where else "int" for name in ("value", "annotation", "default", "result")
    )
    text = f"A = {value}\ndef f(x: {annotation} = {default}) -> {result}: ...\n"
    started = time.perf_counter()
    # A thread has the smaller stack of C.
    thread = threading.Thread(target=survives, args=(text.encode()[:LARGEST_FILE],))
    thread.start()
    thread.join()
    assert time.perf_counter() - started < 5


def aliases(count: int) -> str:
    lines = "".join(f"A{i} = A{i + 1} | A{i + 1}\n" for i in range(count))
    return lines + f"A{count} = int\ndef f(x: A0) -> None: ...\n"


@pytest.mark.parametrize(
    "text",
    [
        "if x: pass\n" + "elif x: pass\n" * (N // 8),
        "@a\n" * N + "def f(x: int) -> None: ...",
        "".join(" " * i + "if x:\n" for i in range(500)),
        "# /// script\n" * (N // 4),
        "# /// script\n# x = 1\n# ///\n\n" * (N // 8),
        "# /// script\n" + "# [a" + ".a" * N + "]\n# ///\n",
        aliases(8),
        aliases(18),
        "".join(f"def f{i}(): f{i + 1}()\n" for i in range(4000)),
        "def f(x: int) -> None:\n    '''" + "Args:\n    x" * 9000 + "'''",
        "def f(x: int) -> None:\n    '''\n    Args:\n        " + "x, " * 40_000 + "'''",
        "def f(x: int) -> None:\n    '''\n    Args:\n        x (" + "(" * 90_000 + "'''",
        "def f(x: int) -> None:\n    '''" + "\n\n" * 60_000 + "'''",
        "def f(" + ", ".join(f"x{i}: int = 1" for i in range(6000)) + ") -> None: ...",
    ],
    ids=lambda text: text[:20],
)
def test_long_files(text: str) -> None:
    started = time.perf_counter()
    survives(text.encode())
    assert time.perf_counter() - started < 5
