"""The page on sharing tells the truth: its Python reads from the server that it speaks of."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.server.running import opsin_view
from tests.test_docs import SERVED, blocks

DATA = Path(__file__).parents[1] / "data"


def test_what_the_page_reads_is_there(tmp_path: Path) -> None:
    cells = tmp_path / "cells.tif"
    cells.write_bytes((DATA / "cells/AS_09125_050116030001_D03f00d0.tif").read_bytes())
    (block,) = (block for block in blocks(SERVED) if block.kind == "python")
    with opsin_view([cells]) as server:
        (address,) = server.zarrs(1)
        text = block.text.replace("http://127.0.0.1:8050/zarr/TOKEN/cells.zarr", address)
        assert address in text
        *statements, last = ast.parse(text).body
        names: dict[str, object] = {}
        exec(compile(ast.Module(statements, []), SERVED, "exec"), names)
        assert isinstance(last, ast.Expr)
        got = eval(compile(ast.Expression(last.value), SERVED, "eval"), names)
        assert repr(got) == text.rstrip().rpartition("# ")[2]
