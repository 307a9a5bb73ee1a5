"""Cases: plugins that run in imjoy-core and in Opsin, each with what is done to it.

A case is a plugin's file. What is done to it, and what it is answered, stands in an attachment:

    <attachment name="case">
    {"steps": [["call", "run", {}], ["windows"]], "answers": {"prompt": ["a name"]}}
    </attachment>

`"loads": false`: it cannot be loaded, in either.

Steps: `call NAME …`, what it exports; `click CONFIG DATA`, as in the menu; `load FILE`, a second
plugin, after which `of NAME` begins a step for that one; `get QUERY`; `services QUERY`;
`stop`; `wait SECONDS`; `close WINDOW`; `windows`, what is to be seen. Its loading is the first.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[2] / "peers/imjoy/oracle"
SUFFIX = ".imjoy.html"
_ABOUT = re.compile(r'<attachment name="case">(.*?)</attachment>', re.DOTALL)
_NAME = re.compile(r"""["']?\bname["']?\s*:\s*["']?([^"',\n]+)""")


@dataclass(frozen=True)
class Step:
    """One step: its `label` is in the record, `name` and `args` say what is done."""

    label: list[Any]
    name: str
    args: list[Any]


@dataclass(frozen=True)
class Case:
    """One case."""

    name: str
    text: str
    plugin: str
    about: dict[str, Any]

    @property
    def answers(self) -> dict[str, list[Any]]:
        """What it is answered, by the name of the call."""
        found: dict[str, list[Any]] = self.about.get("answers", {})
        return found

    @property
    def network(self) -> bool:
        """Whether the plugin may reach other addresses."""
        return bool(self.about.get("network"))

    @property
    def loads(self) -> bool:
        """Whether it can be loaded."""
        return bool(self.about.get("loads", True))

    def steps(self, site: str) -> list[Step]:
        """What is done. `site` is where the files of `site/` are served."""
        load = Step(["load"], "load", [placed(self.text, site), self.about.get("tag")])
        return [load, *(self._step(list(one), site) for one in self.about.get("steps", []))]

    def _step(self, words: list[Any], site: str) -> Step:
        label, plugin = list(words), self.plugin
        if words[0] == "of":
            plugin, words = words[1], words[2:]
        name, *args = words
        if name == "load":
            text = (HERE / "cases/beside" / f"{args[0]}{SUFFIX}").read_text()
            return Step(label, "load", [placed(text, site), *args[1:]])
        if name in ("call", "click", "stop"):
            args = [plugin, *args]
        return Step(label, name, args)


def cases() -> list[Case]:
    """All of them."""
    return [read_case(path) for path in sorted((HERE / "cases").glob(f"*{SUFFIX}"))]


def read_case(path: Path) -> Case:
    """The case in a file."""
    text = path.read_text("utf-8")
    found = _ABOUT.search(text)
    name = _NAME.search(text)
    assert name, path
    about = json.loads(found[1]) if found else {}
    return Case(path.name.removesuffix(SUFFIX), text, about.get("plugin", name[1].strip()), about)


def placed(text: str, site: str) -> str:
    """A text with the address at which `site/` is served."""
    return text.replace("{{site}}", site)
