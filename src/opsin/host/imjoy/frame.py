"""Frame: an ImJoy plugin that runs in the page, as the page is told to run it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from opsin.errors import OpsinError, PluginError, UsageError
from opsin.host.imjoy.imjoy_file import ImjoyFile
from opsin.host.imjoy.loaded import Loaded
from opsin.host.imjoy.resources import Kind
from opsin.plugins.formats.imjoy_html.blocks import Block

Served = Callable[[str, Kind], Awaitable[str]]
"""Fetches what stands at an address, once, and gives the address at which it is served."""
Say = Callable[[str], None]
PAGE_WORDS = ("http://", "https://")
_PREFIXES = {"js": "script", "css": "style", "mjs": "module", "cache": "cache"}
_KINDS: dict[str, Kind] = {"script": "script", "style": "style", "module": "module"}
_ENDINGS = {".js": "script", ".css": "style", ".mjs": "module"}


class Sources(Protocol):
    """Where what a frame needs comes from."""

    async def served(self, address: str, kind: Kind = "other") -> str:
        """Fetch what stands at an address, once, and give the address at which it is served."""

    async def page(self, address: str, *, network: bool) -> str:
        """The address of a page of its own; '' for Opsin's own frame."""

    async def pyodide(self, needs: dict[str, list[str]]) -> dict[str, Any]:
        """What Pyodide is told."""


async def frame_of(loaded: Loaded, sources: Sources, *, network: bool) -> dict[str, Any]:
    """What the page is told of a plugin: `Frame` of protocol/IMJOY.md, as far as this is known.

    Raises:
        PluginError: a script cannot be had, which the message names.
        UsageError: its page is not to be had.
    """
    file, entries = loaded.file, loaded.file.config.entries
    page, worker = str(entries.get("base_frame") or ""), str(entries.get("base_worker") or "")
    python = file.kind == "web-python"

    def say(text: str) -> None:
        loaded.say(text, "info")

    return {
        "plugin": loaded.registered.id,
        "name": file.name,
        "kind": file.kind,
        "version": file.config.version,
        "api_version": file.config.api_version,
        "tag": loaded.tag,
        "namespace": loaded.namespace,
        "lang": file.lang,
        "page": await sources.page(page, network=network),
        "worker": await sources.served(worker, "script") if worker else "",
        "python": await sources.pyodide(python_of(file)) if python else None,
        "permissions": list(file.config.permissions),
        "network": network,
        "allow_execution": True,
        "passive": file.is_passive,
        "code": await code_of(file, sources.served, say),
    }


async def code_of(file: ImjoyFile, served: Served, say: Say) -> list[dict[str, Any]]:
    """What a frame executes, in order: requirements, styles, links, windows, scripts.

    Raises:
        PluginError: a script cannot be had, which the message names.
    """
    code: list[dict[str, Any]] = []
    if file.kind != "web-python":
        for requirement in file.config.requirements:
            kind, address = requirement_of(requirement)
            if not kind:
                say(f"{requirement} is nothing that a {file.kind} can load: it was left out.")
                continue
            code += await _fetched(file, "requirement", kind, address, served, say)
    if file.is_window or file.kind == "iframe":
        for block in file.of_name("style"):
            code += await _block(file, block, "style", served, say)
        for block in file.of_name("link"):
            code += await _block(file, block, "link", served, say)
        for block in file.of_name("window"):
            code.append(_entry("html", block.content, block.attributes))
    for block in file.scripts():
        code += await _block(file, block, "script", served, say)
    return code


def requirement_of(text: str) -> tuple[str, str]:
    """The kind of a requirement of JavaScript (script, style, module, cache), and its address.

    '' is the kind of what is none.
    """
    prefix, _, rest = text.strip().partition(":")
    if prefix in _PREFIXES:
        return _PREFIXES[prefix], rest.strip()
    address = text.strip()
    path = address.partition("?")[0].partition("#")[0].lower()
    for ending, kind in _ENDINGS.items():
        if path.endswith(ending):
            return kind, address
    return ("script" if address.startswith(PAGE_WORDS) else ""), address


def python_of(file: ImjoyFile) -> dict[str, list[str]]:
    """What a plugin for Pyodide requires: packages, and addresses of wheels and of scripts."""
    packages: list[str] = []
    wheels: list[str] = []
    for requirement in file.config.requirements:
        prefix, _, rest = requirement.partition(":")
        if prefix in ("js", "css", "cache"):
            continue
        name = rest.strip() if prefix in ("package", "pip") else requirement.strip()
        if name.startswith(PAGE_WORDS):
            if name.partition("?")[0].endswith(".whl"):
                wheels.append(name)
            continue  # ImJoy passes over others, too
        packages += name.replace(",", " ").split()
    return {"packages": packages, "wheels": wheels}


async def _block(
    file: ImjoyFile, block: Block, kind: str, served: Served, say: Say
) -> list[dict[str, Any]]:
    source = block.attributes.get("href" if kind == "link" else "src", "")
    if not source or source.startswith("data:"):
        return [_entry(kind, block.content, block.attributes, src=source)]
    is_module = block.attributes.get("type") == "module"
    lang = ("module" if is_module else "script") if kind == "script" else "style"
    found = await _fetched(file, kind, lang, source, served, say)
    return [{**one, "attrs": block.attributes, "lang": _lang(block.attributes)} for one in found]


async def _fetched(
    file: ImjoyFile, kind: str, lang: str, address: str, served: Served, say: Say
) -> list[dict[str, Any]]:
    try:
        src = await served(address, _KINDS.get(lang, "other"))
    except OpsinError as error:
        if lang in ("style", "cache"):
            say(f"{address} is left out. {error}")
            return []
        if isinstance(error, UsageError):
            raise PluginError(str(error)) from error
        raise
    return [{**_entry(kind, "", {}, src=src, address=address), "lang": lang}]


def _entry(
    kind: str, content: str, attributes: dict[str, str], src: str = "", address: str = ""
) -> dict[str, Any]:
    return {
        "type": kind,
        "content": content,
        "lang": _lang(attributes),
        "attrs": dict(attributes),
        "src": src,
        "address": address,
    }


def _lang(attributes: dict[str, str]) -> str:
    return attributes.get("lang", "")
