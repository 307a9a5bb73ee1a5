"""What `opsin plugins check` says of ImJoy's files: what will not run, and why."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin.cli import main
from opsin.errors import PluginError
from opsin.host.imjoy.findings import Findings, findings
from tests.host.imjoy_desks import plugin

PYTHON = "from imjoy import api\nclass P:\n    def run(self, ctx):\n        {}\napi.export(P())"
SCRIPT = "api.export({{ setup() {{}}, async run() {{ {} }} }})"


def of(code: str = "", kind: str = "window", more: str = "", **config: Any) -> Findings:
    script = (PYTHON if "python" in kind else SCRIPT).format(code or "0")
    return findings(plugin("Trial", script, kind, **config) + more, "trial.imjoy.html")


@pytest.mark.parametrize("path", sorted(Path("examples/plugins").glob("*.imjoy.html")), ids=str)
def test_nothing_speaks_against_the_examples(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugins", "check", str(path)]) == 0
    assert "nothing speaks against it" in capsys.readouterr().out
    assert main(["plugins", "check", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["wrong"] == []
    assert main(["plugins", "check", str(path), "--functional"]) == 2


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (of("api.fly()"), "Line 5: there is no api.fly in Opsin."),
        (of("await api.utils.fly()"), "Line 5: there is no api.utils.fly in Opsin."),
        (of("api.fly_away()", "native-python"), "there is no api.flyAway in Opsin."),
        (
            of("api.uploadFileToUrl({})".replace("{}", "0")),
            "uploadFileToUrl does not reach files",
        ),
        (of("print 'two'", "native-python"), "Line 8: this is no Python 3: Missing parentheses"),
        (of("x", "native-python", requirements="cmd: make"), "wants to run a command to install"),
        (of("x", "native-python", env="conda env create -f a.yml"), "is described in a file"),
        (of("x", base_frame="https://a.org/b"), "Its page is fetched: https://a.org/b"),
        (findings(plugin("A", "let a = 1", "window"), "a"), "It never calls api.export"),
        (findings(plugin("A", "", "window"), "a"), "It has no script"),
    ],
)
def test_what_will_not_run_is_said(found: Findings, words: str) -> None:
    assert any(words in one for one in found.wrong), found


def test_what_is_known_is_not_complained_of() -> None:
    code = """
        // api.fly() in a comment
        /* api.fly() */
        await api.showMessage("see https://x.org/api.fly"); await api.utils.openUrl("https://a.org");
        api.config; api.TAG; api.registerCodec({}); await api . log(1); /* api.fly() */
    """.replace("{}", "{{}}")
    assert of(code.replace("{{}}", "0")) == Findings()
    assert of("api.show_message('x'); api.showMessage('x')", "native-python") == Findings()
    assert of("1  # api.fly()\n        # api.fly()", "native-python").wrong == ()


def test_notes_and_tags() -> None:
    found = of(
        requirements=["https://a.org/b.js", "numpy"],
        dependencies=["a/b:C"],
        ui="{id: 'a', type: 'button'}",
        colour="red",
        more="<boxes>x</boxes>\n",
    )
    assert found.wrong == ()
    assert found.notes == (
        "https://a.org/b.js is fetched when it is first loaded, and kept.",
        "'numpy' is nothing that a window can load, and left out.",
        '"colour" in its <config> is not known, and passed over.',
        "Line 7: the block <boxes> is not known, and passed over.",
        "Its form has a field of the type button, which is not shown.",
        "It loads a/b:C.",
    )
    tags: dict[str, Any] = {
        "tags": ["old", "new"],
        "requirements": {"old": "cmd: make", "new": "pip: numpy"},
    }
    (wrong,) = of("x", "native-python", **tags).wrong
    assert wrong.startswith("Tag old: The plugin wants to run a command")


def test_a_script_in_the_other_language() -> None:
    text = plugin("A", "api.export({})", "native-python").replace('"python"', '"javascript"')
    assert any("is in javascript, and a native-python runs Python" in one
               for one in findings(text, "a").wrong)  # fmt: skip


def test_what_is_no_plugin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.imjoy.html"
    path.write_text("<docs>nothing</docs>")
    assert main(["plugins", "check", str(path)]) == 1
    assert "has no <config> block" in capsys.readouterr().err
    path.write_text(plugin("A", "api.fly()", "window"))
    assert main(["plugins", "check", str(path)]) == 1
    assert "will not run: Line 5: there is no api.fly in Opsin." in capsys.readouterr().out


TEXT = Path("examples/plugins/Steps.imjoy.html").read_text()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_text_is_looked_at(data: st.DataObject) -> None:
    text = TEXT
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        piece = data.draw(st.text(max_size=4) | st.sampled_from(["<", "</script>", "api.", '"']))
        text = text[:start] + piece + text[start + data.draw(st.integers(0, 20)) :]
    with suppress(PluginError):
        found = findings(text, "p.imjoy.html")
        assert all(one.strip() for one in (*found.wrong, *found.notes))
