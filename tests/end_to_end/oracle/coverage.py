"""Coverage: what of ImJoy the cases run, found in their files and in what imjoy-core did.

`tests/peers/imjoy/oracle/coverage.json` lists what there is: keys, blocks, types, calls. A case
covers a key if imjoy-core loads it, and a call if imjoy-core was asked for it.

    python -m tests.end_to_end.oracle.coverage
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from opsin.plugins.formats.imjoy_html.blocks import KNOWN, Block, read_blocks
from opsin.plugins.plain_yaml import load
from tests.end_to_end.oracle.cases import HERE, Case, cases
from tests.end_to_end.oracle.transcripts import read_transcript

LISTED: dict[str, Any] = json.loads((HERE / "coverage.json").read_text("utf-8"))
ELSEWHERE: dict[str, str] = LISTED["elsewhere"]
"""What no case runs, and why."""
_FIELD = re.compile(r"type: ['\"](\w+)")
GROUPS = tuple(group for group in LISTED if group != "elsewhere")


def covered() -> dict[str, dict[str, list[str]]]:
    """For each group what there is, each with the names of the cases that run it."""
    found: dict[str, dict[str, list[str]]] = {
        group: {name: [] for name in LISTED[group]} for group in GROUPS
    }
    for case in cases():
        for group, name in sorted(_of(case)):
            if name in found[group]:
                found[group][name].append(case.name)
    return found


def _of(case: Case) -> set[tuple[str, str]]:
    """All that a case runs, by group."""
    record = [json.loads(line) for line in read_transcript(case)]
    if "fails" in record[-1] and record[-1].get("step") == ["load"]:
        return set()
    loaded = [case.text, *_loaded(record)]
    return {
        *(one for text in loaded for one in _in_file(text.removeprefix("\ufeff"))),
        *(("calls", event["call"]) for event in record if "call" in event),
        *(one for event in record for one in _in_event(event)),
    }


def _loaded(record: list[dict[str, Any]]) -> Iterator[str]:
    """Texts of plugins that the case itself hands over."""
    for event in record:
        for given in event.get("args", []):
            text = given.get("src") if isinstance(given, dict) else given
            if isinstance(text, str) and "<config" in text:
                yield text


def _in_file(text: str) -> Iterator[tuple[str, str]]:
    blocks = read_blocks(text)
    config = _config(blocks)
    for key, value in config.items():
        yield "keys", key
        if isinstance(value, dict):
            yield "keys by tag", key
    for key, group in (("type", "types"), ("flags", "flags"), ("requirements", "requirements")):
        for word in _words(config.get(key)):
            yield group, word
    for requirement in _words(config.get("requirements")):
        prefix, colon, _ = requirement.partition(":")
        yield "requirements", prefix + colon
        yield "requirements", f".{requirement.rpartition('.')[2]}"
    for block in blocks:
        yield from _in_block(block)


def _in_block(block: Block) -> Iterator[tuple[str, str]]:
    yield "blocks", block.name if block.name in KNOWN else "another"
    for key, value in block.attributes.items():
        yield "blocks", f"{block.name} {key}"
        yield "blocks", f"{block.name} {key}={value}"
    if block.name != "script":
        return
    for name in LISTED["calls at home"]:
        if re.search(rf"\bapi\.{name}\b", block.content):
            yield "calls at home", name
    for name in LISTED["windows"]:
        if re.search(rf"\bwindow\.{name}\b", block.content):
            yield "windows", name
    for name in LISTED["exports"]:
        if re.search(rf"\b{name}\b\s*(\(|:|,|\}})", block.content):
            yield "exports", name


def _in_event(event: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in event.get("form", {}).get("types", ()):
        yield "fields", name
    if event.get("call") not in ("createWindow", "showDialog"):
        return
    for given in event["args"]:
        if isinstance(given, dict):
            yield from (("window config", key) for key in given)
            yield "own windows", str(given.get("type")).removeprefix("imjoy/")
            ui = json.dumps(given.get("ui")).replace("\\", "")
            yield from (("fields", one) for one in _FIELD.findall(ui))


def _config(blocks: list[Block]) -> dict[str, Any]:
    block = next((one for one in blocks if one.name == "config"), None)
    if block is None:
        return {}
    is_yaml = block.attributes.get("lang") == "yaml"
    found: dict[str, Any] = (load if is_yaml else json.loads)(block.content)
    return found


def _words(value: Any) -> list[str]:
    """The words of a value that may be one, a list, or one of these for each tag."""
    if isinstance(value, dict):
        return [word for one in value.values() for word in _words(one)]
    return [str(one) for one in value] if isinstance(value, list) else [str(value or "")]


if __name__ == "__main__":
    for group, names in covered().items():
        print(f"\n{group}")
        for name, found in names.items():
            print(f"  {name:24} {', '.join(found) or ELSEWHERE.get(f'{group}: {name}', '-')}")
