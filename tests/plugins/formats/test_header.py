from __future__ import annotations

import pytest

from opsin.errors import PluginError
from opsin.plugins.formats.python_file.header import Header, read_header
from opsin.plugins.manifest import Permission


def header(*lines: str) -> Header:
    text = "\n".join(("# /// script", *(f"# {line}".rstrip() for line in lines), "# ///"))
    return read_header("#!/usr/bin/env python\n" + text + "\nimport this\n", "p.py")


def test_everything_in_it() -> None:
    assert header(
        'requires-python = ">=3.11,<4"',
        "dependencies = [",
        '  "numpy>=2; python_version > \\"3\\"",',
        '  "odd @ https://example.org/odd.whl",',
        "]",
        "",
        "[tool.opsin]",
        'name = "Nuclei"',
        'version = "1.2"',
        'description = """two',
        'lines"""',
        'permissions = { network = "downloads its model", gpu = "" }',
        "[tool.other]",
        "x = 1",
    ) == Header(
        name="Nuclei",
        version="1.2",
        description="two lines",
        python=">=3.11,<4",
        requirements=('numpy>=2; python_version > "3"', "odd @ https://example.org/odd.whl"),
        permissions=(Permission("network", "downloads its model"), Permission("gpu")),
    )


def test_none_and_nearly_none() -> None:
    assert header() == Header()
    for text in ("", "import this", "# /// other\n# x = 1\n# ///", "# /// script\n# x = 1\n"):
        assert read_header(text, "p.py") == Header()
    assert header("[tool.opsin]", 'permissions = ["files"]').permissions == (Permission("files"),)


def test_it_ends_at_the_last_closing_line_of_its_comment() -> None:
    assert header("[tool.opsin]", 'name = """a', "///", '"""').name == "a ///"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["dependencies = "], "p.py, line 2: the header is not TOML: Invalid value"),
        (["x = 3"] * 6000, "p.py, line 2: the header is longer than 32768 characters: shorten it."),
        (["x = " + "[" * 5000], "p.py, line 2: the header is not TOML: "),
        (['dependencies = "scipy"'], "p.py, line 2: dependencies is not a list"),
        (["dependencies = [3]"], 'p.py, line 2: a dependency is like "scipy>=1.15", not 3.'),
        (['dependencies = ["--index-url=x"]'], "p.py, line 2: a dependency is like"),
        (['dependencies = ["a\\nb"]'], "p.py, line 2: a dependency is like"),
        (['dependencies = [""]'], "p.py, line 2: a dependency is like"),
        (["requires-python = 3.11"], 'p.py, line 2: requires-python is not like ">=3.11".'),
        (['requires-python = "--x y/z"'], "p.py, line 2: requires-python is not like"),
        (["tool = 3", "", "[x]"], None),
        (["[tool]", "opsin = 3"], "p.py, line 2: tool.opsin is not a table: write [tool.opsin]."),
        (["[tool.opsin]", "nmae = 3"], "p.py, line 2: tool.opsin has no key 'nmae': it has name, "),
        (["[tool.opsin]", "version = 1.0"], "p.py, line 2: tool.opsin.version is not a short text"),
        (["[tool.opsin]", "permissions = 3"], "p.py, line 2: permissions is not like"),
        (["[tool.opsin]", 'permissions = ["all"]'], "p.py, line 2: there is no permission 'all'"),
        (["[tool.opsin]", "permissions = {files = 3}"], "p.py, line 2: the reason for files is"),
    ],
)
def test_what_is_wrong_is_named(lines: list[str], message: str | None) -> None:
    if message is None:
        assert header(*lines) == Header()
        return
    with pytest.raises(PluginError) as caught:
        header(*lines)
    assert str(caught.value).startswith(message)


def test_two_headers_are_one_too_many() -> None:
    block = "# /// script\n# x = 1\n# ///\n\n"
    with pytest.raises(PluginError, match=r"p\.py, line 5: there are two script headers: join"):
        read_header(block * 2, "p.py")
