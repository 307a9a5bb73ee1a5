"""ImJoy Python: a plugin that was written for ImJoy in Python, as a typed file.

Its script is kept as it is. What it exports is called by typed functions; its `run` gets a context
with what the form says. Of its `api` that what needs no person and no window goes on to work.
"""

from __future__ import annotations

import json
import keyword
import re
from dataclasses import dataclass, field

from opsin.errors import PluginError
from opsin.plugins.conversion.imjoy_script import Function, Script
from opsin.plugins.conversion.python_source import Edit, PythonSource
from opsin.plugins.formats.imjoy_html.blocks import Block, read_blocks
from opsin.plugins.formats.imjoy_html.config import Config, read_config
from opsin.plugins.formats.imjoy_html.joy import read_form
from opsin.plugins.imjoy_needs import needs
from opsin.plugins.manifest import Parameter

KINDS = ("native-python", "web-python")
"""Whose scripts are Python."""
_TYPES = {"boolean": "bool", "integer": "int", "number": "float", "string": "str"}
_WORKS = {
    *("TAG", "alert", "error", "export", "getAttachment", "getConfig", "log", "progress"),
    *("setConfig", "showMessage", "showProgress", "showSnackbar", "showStatus"),
}
"""What there is of `api` in a typed file."""
_OF_PAGES = ("css", "js", "mjs", "package")

_API = '''
class _Context(dict):
    """What ImJoy gives to `run`."""

    __getattr__ = dict.get


class _Done:
    """Nothing more to wait for."""

    def __init__(self, value=None):
        self.value = value

    def __await__(self):
        yield from ()
        return self.value


class _Api:
    """What there is of ImJoy here: it has no window, and asks nobody."""

    def __init__(self):
        self.TAG, self.plugin, self.config = _TAG, None, {}
        self.is_set_up, self.steps, self.shown = False, None, 0

    def export(self, plugin, config=None):
        self.plugin = plugin

    def log(self, *said):
        print(*said)
        return _Done()

    alert = error = showStatus = showMessage = showSnackbar = log

    def showProgress(self, share=0):
        share = float(share or 0)
        while self.steps and self.shown < 100 * min(share if share < 1 else share / 100, 1):
            next(self.steps, None)
            self.shown += 1
        return _Done()

    progress = showProgress

    def getConfig(self, name):
        return _Done(self.config.get(name))

    def setConfig(self, name, value):
        self.config[name] = value
        return _Done()

    def getAttachment(self, name):
        return _Done(_ATTACHMENTS.get(name))

    def __getattr__(self, name):
        raise opsin.errors.UsageError(f"The plugin wants api.{name}, which only ImJoy has.")

    def call(self, name, *given, **values):
        """What a function of the plugin gives."""

        async def work():
            if not self.is_set_up and self._of("setup"):
                await _made(self._of("setup")())
            self.is_set_up = True
            return await _made(self._of(name)(*given, **values))

        self.steps, self.shown = iter(opsin.types.progress(range(100))), 0
        found = asyncio.run(work())
        while isinstance(found, dict) and found.get("data") is not None:
            found = found["data"]
        return found

    def _of(self, name):
        if isinstance(self.plugin, dict):
            return self.plugin.get(name)
        return getattr(self.plugin, name, None)


async def _made(value):
    return await value if inspect.isawaitable(value) else value


api = _Api()
'''


def from_imjoy_python(text: str, source: str) -> tuple[PythonSource, tuple[str, ...]]:
    """A typed file, and sentences on what could not be carried over, or was guessed.

    Raises:
        PluginError: it is written in JavaScript, or has no function that could be called.
    """
    blocks = read_blocks(text)
    config = read_config(blocks)
    if config.type not in KINDS:
        raise PluginError(
            f"{source} is a {config.type} plugin, which runs in a page and is written in "
            "JavaScript or made of others: only plugins in Python become typed files."
        )
    writer = _Writer(config, blocks, source)
    written = writer.text()
    return PythonSource.of(written, source), tuple(dict.fromkeys(writer.said))


@dataclass(eq=False)
class _Writer:
    """Writes one file; `said` is what is to be told of it."""

    config: Config
    blocks: list[Block]
    source: str
    said: list[str] = field(default_factory=list)

    def text(self) -> str:
        scripts = [one for one in self.blocks if one.name == "script"]
        python = [one for one in scripts if one.attributes.get("lang") == "python"
                  and one.attributes.get("tag") in (None, self.config.tag)]  # fmt: skip
        if not python:
            raise PluginError(f"{self.source} has no script in Python.")
        script = Script("\n".join(one.content for one in python), self.source)
        functions = self._functions(script)
        for name, line in script.calls_of_api().items():
            if name not in _WORKS:
                self.said.append(
                    f"api.{name} (line {line} of the script) fails in a typed file: it needs a "
                    "person, a window or another plugin."
                )
        if len(self.config.tags) > 1:
            self.said.append(f"Of its tags, {self.config.tag!r} was taken.")
        self.said += [
            f"It depends on {one} in ImJoy, which is left out." for one in self.config.dependencies
        ]
        future, body = _without_imports(script)
        names = ", ".join(json.dumps(name) for name, _ in functions)
        return "\n".join(
            (
                *self._header(),
                self._docstring(),
                "",
                *future,
                "import asyncio",
                "import inspect",
                "import typing",
                "",
                "import opsin.errors",
                "import opsin.types",
                "",
                f"__all__ = [{names}]",
                f"_TAG = {self.config.tag!r}",
                f"_ATTACHMENTS = {self._attachments(script)!r}",
                "",
                _API,
                "",
                body.strip("\n"),
                "",
                *(f"\n{text}" for _, text in functions),
            )
        )

    def _header(self) -> list[str]:
        required, python = self._requirements()
        lines = ["# /// script"]
        lines += [f"# requires-python = {_toml(python)}"] if python else []
        return [
            *lines,
            f"# dependencies = {_toml(required)}",
            "#",
            "# [tool.opsin]",
            f"# name = {_toml(self.config.name)}",
            f"# version = {_toml(self.config.version or '0')}",
            "# ///",
        ]

    def _docstring(self) -> str:
        words = " ".join(self.config.description.split()) or f"{self.config.name}, of ImJoy."
        return f'"""{_in_docstring(words)}"""'

    def _requirements(self) -> tuple[list[str], str]:
        """Packages, each understood by itself, so that one that is not hides no other."""
        found: dict[str, None] = {}
        python = ""
        pairs = [([one], None) for one in self.config.requirements]
        for requirement, env in [*pairs, *(([], [one]) for one in self.config.env)]:
            kind = requirement[0].partition(":")[0].strip() if requirement else ""
            if self.config.type == "web-python" and (
                kind in _OF_PAGES or "://" in str(requirement)
            ):
                self.said.append(f"{requirement[0]!r:.80} is for pages, and left out.")
                continue
            try:
                asked = needs(requirement, env)
            except PluginError as error:
                self.said.append(str(error))
                continue
            found |= dict.fromkeys(asked.requirements)
            python = asked.python or python
            self.said += asked.left_out
            self.said += [f"It finds no repository {one.url}." for one in asked.repositories]
        return list(found), python

    def _attachments(self, script: Script) -> dict[str, str]:
        if "getAttachment" not in script.calls_of_api():
            return {}
        found = [one for one in self.blocks if one.name == "attachment"]
        return {one.attributes.get("name", ""): one.content for one in found}

    # ------------------------------------------------------------------ functions

    def _functions(self, script: Script) -> list[tuple[str, str]]:
        """Names and texts of the typed functions."""
        written = []
        taken = script.names | {"opsin", "typing", "asyncio", "inspect", "api"}
        lost = []
        try:
            run = script.run()
        except PluginError as error:
            run = None
            lost.append(f"run {error}")
        if run is not None:
            written.append(self._run(run, taken))
        for one in script.functions():
            if isinstance(one, str):
                lost.append(one)
            else:
                written.append(self._other(one, taken))
        self.said += lost
        if not written:
            why = lost[0] if lost else "it exports nothing that is seen without running it."
            raise PluginError(f"{self.source} has no function for a typed file: {why}")
        return written

    def _run(self, run: Function, taken: set[str]) -> tuple[str, str]:
        form = read_form(self.config.ui)
        self.said += [f"Its form has a field of type {one}, left out." for one in form.left_out]
        names: dict[str, str] = {}
        for one in form.parameters:
            names[one.name] = _identifier(one.name, {*run.inputs, *names.values()})
            if names[one.name] != one.name:
                self.said.append(f"The field {one.name!r} is called {names[one.name]}.")
        arguments = [f"{name}: {self._kind(kind)}" for name, kind in run.inputs.items()]
        values = sorted(
            (_parameter(names[one.name], one) for one in form.parameters), key=lambda t: " = " in t
        )
        config = ", ".join(f"{name!r}: {given}" for name, given in names.items())
        data = "None"
        if run.inputs:
            parts = ", ".join(f"{one!r}: {one}" for one in run.inputs)
            data = next(iter(run.inputs)) if run.whole else f"_Context({{{parts}}})"
        context = f"_Context(config=_Context({{{config}}}), data={data})"
        self._guessed(run)
        described = [(name, "what it works on.") for name in run.inputs]
        described += [(names[one.name], f"{one.title}.") for one in form.parameters]
        words = " ".join(self.config.description.split()) or self.config.name
        return self._written(
            "run", taken, [*arguments, *values], run.output, words, described,
            f"api.call({run.name!r}, {context})",
        )  # fmt: skip

    def _other(self, one: Function, taken: set[str]) -> tuple[str, str]:
        arguments = [f"{name}: {self._kind(kind)}" for name, kind in one.inputs.items()]
        for name, value in one.values.items():
            arguments.append(f"{name}: {type(value).__name__} = {value!r}")
        given = ", ".join([repr(one.name), *one.inputs, *(f"{n}={n}" for n in one.values)])
        self._guessed(one)
        described = [(name, "as the plugin takes it.") for name in [*one.inputs, *one.values]]
        words = one.name.replace("_", " ").capitalize()
        call = f"api.call({given})"
        return self._written(one.name, taken, arguments, one.output, words, described, call)

    def _written(
        self,
        name: str,
        taken: set[str],
        arguments: list[str],
        output: str,
        words: str,
        described: list[tuple[str, str]],
        call: str,
    ) -> tuple[str, str]:
        name = _identifier(name, taken)
        taken.add(name)
        lines = [f"def {name}("]
        lines += [f"    {one}," for one in arguments]
        said = _in_docstring(words).rstrip(".")
        lines += [f") -> {self._kind(output)}:", f'    """{said}.', "", "    Args:"]
        lines += [f"        {one}: {_in_docstring(text)}" for one, text in described]
        lines += ['    """', f"    return {call}", ""]
        return name, "\n".join(lines)

    def _guessed(self, one: Function) -> None:
        inputs = ", ".join(f"{name} {kind}" for name, kind in one.inputs.items())
        taken = f"takes {inputs} and " if inputs else ""
        self.said.append(
            f"That {one.name} {taken}gives {one.output} is a guess: if it is wrong, change its "
            "types."
        )

    def _kind(self, kind: str) -> str:
        return f"opsin.types.{kind.capitalize()}"


def _toml(value: str | list[str]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _parameter(name: str, one: Parameter) -> str:
    choices = ", ".join(map(repr, one.enum))
    kind = f"typing.Literal[{choices}]" if one.enum else _TYPES[one.type]
    said = [f"{key}={getattr(one, key)!r}" for key in ("minimum", "maximum", "step")
            if getattr(one, key) is not None and not one.enum]  # fmt: skip
    said.append(f"title={one.title!r}")
    kind = f"typing.Annotated[{kind}, opsin.types.Field({', '.join(said)})]"
    return f"{name}: {kind}" + ("" if one.required else f" = {one.default!r}")


def _identifier(name: str, taken: set[str]) -> str:
    found = re.sub(r"\W", "_", name).strip("_") or "value"
    if found[0].isdigit() or keyword.iskeyword(found):
        found = f"value_{found}"
    while found in taken:
        found = f"{found}_"
    return found


def _in_docstring(text: str) -> str:
    return text.replace("\\", "").replace('"', "'")


def _without_imports(script: Script) -> tuple[list[str], str]:
    """What of the script has to stand first, and the rest of it without imports of ImJoy."""
    edits = [Edit.of(node, "pass") for node in script.imjoy_imports()]
    body = PythonSource.edited(script.text, edits)
    future = re.findall(r"^from __future__ import [^\n]*", body, re.MULTILINE)
    body = re.sub(r"^from __future__ import [^\n]*", "", body, flags=re.MULTILINE)
    return future, re.sub(r"^__all__\s*=[^\n]*", "", body, flags=re.MULTILINE)
