"""Findings: what of an ImJoy file will not work here, or not as in ImJoy, a sentence each. Pure."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from opsin.errors import PluginError
from opsin.host.imjoy.api import NAMES, is_elsewhere
from opsin.host.imjoy.applications import is_served
from opsin.host.imjoy.frame import requirement_of
from opsin.host.imjoy.imjoy_file import PYTHON_KINDS, ImjoyFile
from opsin.plugins.formats.imjoy_html.blocks import KNOWN, Block
from opsin.plugins.formats.imjoy_html.joy import read_form
from opsin.plugins.imjoy_needs import needs

_BESIDE = {
    *("ENGINE_URL", "FILE_MANAGER_URL", "TAG", "WORKSPACE", "config", "disposeObject", "export"),
    *("id", "init", "registerCodec", "utils"),
}
"""What there is of `api` that is no call of the host."""
_KEYS = {
    *("api_version", "author", "authors", "badge", "badges", "base_frame", "base_worker", "cmd"),
    *("cover", "createdAt", "defaults", "dependencies", "description", "disabled", "docs"),
    *("engine_mode", "env", "extensions", "flags", "hot_reloading", "icon", "id", "inputs"),
    *("labels", "lang", "license", "name", "namespace", "origin", "outputs", "passive"),
    *("permissions", "repository", "requirements", "runnable", "show_panel", "tag", "tags"),
    *("type", "ui", "uri", "url", "version", "website"),
}
_CALL = re.compile(r"(?<![\w./'\"$-])api\s*\.\s*((?:utils|fs)\s*\.\s*[$\w]+|[$\w]+)")
_COMMENT = re.compile(r"(?<![:'\"/])//[^\n]*|/\*.*?\*/", re.DOTALL)
_SNAKE = re.compile(r"_([a-z])")
_WITHOUT_SCRIPT = ("collection", "rpc-window", "rpc-worker")


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found.

    Attributes:
        wrong: why it, or a part of it, will not run.
        notes: what is not as in ImJoy, or is fetched.
    """

    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def findings(text: str, source: str) -> Findings:
    """What is to be said of a plugin, for all of its tags.

    Raises:
        PluginError: it is no plugin at all.
    """
    first = ImjoyFile.of(text, source)
    wrong: dict[str, None] = {}
    notes: dict[str, None] = {}
    for tag in first.config.tags or ("",):
        try:
            file = first.for_tag(tag)
        except PluginError as error:
            wrong[f"Tag {tag}: {error}"] = None
            continue
        of_tag = f"Tag {tag}: " if len(first.config.tags) > 1 else ""
        wrong |= dict.fromkeys(f"{of_tag}{one}" for one in _of_needs(file))
        wrong |= dict.fromkeys(_of_scripts(file))
        notes |= dict.fromkeys(f"{of_tag}{one}" for one in _left_out(file))
        notes |= dict.fromkeys(_of_parts(file))
    return Findings(tuple(wrong), tuple(notes))


def _of_needs(file: ImjoyFile) -> Iterator[str]:
    """What stands in the way before any of it runs."""
    (operation,) = file.plugin.operations
    if operation.refused:
        yield operation.refused
    page = str(file.config.entries.get("base_frame") or "")
    if page and not is_served(page):
        yield f"Its page is fetched: {page} has to be allowed."


def _of_scripts(file: ImjoyFile) -> Iterator[str]:
    scripts = list(file.of_name("script"))
    if file.kind in _WITHOUT_SCRIPT:
        return
    if not scripts and not file.config.entries.get("base_frame"):
        yield "It has no script, so that there is nothing to run."
        return
    is_python = file.kind in PYTHON_KINDS
    if scripts and (file.lang == "python") != is_python:
        meant = "Python" if is_python else "JavaScript"
        yield f"Its script is in {file.lang}, and a {file.kind} runs {meant}."
    known = set(NAMES) | _BESIDE
    found: dict[str, int] = {}
    for block in scripts:
        calls: Iterable[tuple[str, int]] = _calls(block)
        if is_python:
            try:
                calls = _python_calls(block)
            except PluginError as error:
                yield str(error)
        for name, line in calls:
            found.setdefault(_SNAKE.sub(lambda one: one[1].upper(), name), line)
    for name, line in found.items():
        if name not in known and not name.startswith("_"):
            yield f"Line {line}: there is no api.{name} in Opsin."
        elif is_elsewhere(name):
            yield (
                f"Line {line}: api.{name} does not reach files here: use api.showFileDialog and "
                "api.exportFile."
            )
    said = "export" in found or any("export(" in block.content for block in scripts)
    remote = any(block.attributes.get("src") for block in scripts)
    if not (said or remote or file.is_passive or file.config.entries.get("base_frame")):
        yield "It never calls api.export, so that nothing of it can be run."


def _python_calls(block: Block) -> list[tuple[str, int]]:
    """What is called of `api`, with lines of the file.

    Raises:
        PluginError: it is no Python.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(block.content)
    except SyntaxError as error:
        line = block.line + (error.lineno or 1) - 1
        raise PluginError(f"Line {line}: this is no Python 3: {error.msg}.") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise PluginError(f"Line {block.line}: this script cannot be read.") from error
    found = []
    for node in ast.walk(tree):
        names: list[str] = []
        inner: ast.AST = node
        while isinstance(inner, ast.Attribute):
            names.insert(0, inner.attr)
            inner = inner.value
        if names and isinstance(inner, ast.Name) and inner.id == "api":
            count = 2 if names[0] in ("utils", "fs") else 1
            found.append((".".join(names[:count]), block.line + node.lineno - 1))  # type: ignore[attr-defined]
    return found


def _calls(block: Block) -> Iterator[tuple[str, int]]:
    """What is called of `api`, with lines of the file; comments are passed over."""
    plain = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), block.content)
    at, line = 0, block.line
    for found in _CALL.finditer(plain):
        line += plain.count("\n", at, found.start())
        at = found.start()
        name = re.sub(r"\s", "", found[1])
        yield name, line


def _left_out(file: ImjoyFile) -> Iterator[str]:
    """What it asks for that makes no difference here, or comes from elsewhere."""
    if file.kind == "native-python":
        try:
            yield from needs(file.config.requirements, list(file.config.env)).left_out
        except PluginError:
            return  # which is said already
        return
    if file.kind == "web-python":
        return
    for one in file.config.requirements:
        kind, address = requirement_of(one)
        if not kind:
            yield f"{one!r:.80} is nothing that a {file.kind} can load, and left out."
        elif address.startswith(("http://", "https://")):
            yield f"{address} is fetched when it is first loaded, and kept."


def _of_parts(file: ImjoyFile) -> Iterator[str]:
    for key in file.config.entries:
        if key not in _KEYS:
            yield f'"{key}" in its <config> is not known, and passed over.'
    for block in file.blocks:
        if block.name not in KNOWN:
            yield f"Line {block.line}: the block <{block.name}> is not known, and passed over."
        if block.name == "script" and block.attributes.get("src"):
            yield f"{block.attributes['src']} is fetched when it is first loaded, and kept."
    for one in read_form(file.config.ui).left_out:
        yield f"Its form has a field of the type {one}, which is not shown."
    for one in file.config.dependencies:
        yield f"It loads {one}."
