"""Transcripts: records of cases as they are kept, and what of them is compared."""

from __future__ import annotations

import json
import re
from difflib import unified_diff
from typing import Any

from tests.end_to_end.oracle.cases import HERE, Case

FOLDER = HERE / "transcripts"
Record = list[dict[str, Any]]
_IGNORED: dict[str, Any] = json.loads((HERE / "ignored.json").read_text("utf-8"))
_MINE = re.compile(r"Mine:.*")
LEFT_OUT = "…"


def compared(case: Case, record: Record, site: str) -> list[str]:
    """What of a record is compared: a line for each event."""
    text = json.dumps(record, ensure_ascii=False).replace(site, "{{site}}")
    more = frozenset(_IGNORED["more"].get(case.name, {}).get("keys", ()))
    return [json.dumps(_kept(event, more), ensure_ascii=False) for event in json.loads(text)]


def read_transcript(case: Case) -> list[str]:
    """What imjoy-core did when the transcript of a case was recorded."""
    lines: list[str] = json.loads(_path(case).read_text("utf-8"))["record"]
    return [json.dumps(one, ensure_ascii=False) for one in lines]


def write_transcript(case: Case, lines: list[str], versions: dict[str, str]) -> None:
    """Keep what imjoy-core did."""
    events = ",\n".join(lines)
    about = json.dumps(versions)
    FOLDER.mkdir(exist_ok=True)
    _path(case).write_text(f'{{"recorded": {about}, "record": [\n{events}\n]}}\n', "utf-8")


def difference(expected: list[str], got: list[str]) -> str:
    """Where two records differ; '' if they do not."""
    return "\n".join(unified_diff(expected, got, "imjoy-core", "here", lineterm="", n=1))


def _path(case: Case) -> Any:
    return FOLDER / f"{case.name}.json"


def _kept(value: Any, more: frozenset[str], key: str = "") -> Any:
    if isinstance(value, dict):
        if value.get("call") in _IGNORED["results"] and "gives" in value:
            value = {**value, "gives": LEFT_OUT}
        return {name: _kept(one, more, name) for name, one in value.items() if name not in more}
    if isinstance(value, list):
        return [_kept(one, more) for one in value]
    if key in ("fails", "error") and isinstance(value, str):
        found = _MINE.search(value)
        return found[0].partition("\n")[0] if found else LEFT_OUT
    return LEFT_OUT if key in _IGNORED["keys"] and value is not None else value
