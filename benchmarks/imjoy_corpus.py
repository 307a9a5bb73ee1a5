"""ImJoy's files of others: how far each of those below a folder comes.

Each is read, loaded with what it depends on, set up and run, as a click on it does it: in a worker,
or in the page of Opsin's app in a headless Chromium. Nobody answers what it asks. How far it came
(`ran`, `set_up`, `loaded`, `refused`), and why no further, is printed, a line of JSON for each.
With a list of expected outcomes the two are compared. With `--quick` files are read, and what they
name by address is not fetched, nor is anything run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from harness.corpus.outcome import Outcome, Stage, compared, detail_of, read_expected, reason_of
from harness.side_by_side import Figure, arguments, conclude

from opsin.errors import OpsinError
from opsin.plugins.formats.imjoy_html import SUFFIX, read
from opsin.plugins.manifest import Plugin

MEASURES = "ImJoy's files of others: how many are read, and come as far as expected"
SECONDS = 180.0
"""That one file may take, packages included."""
LARGEST = 2**24


def main() -> None:
    parser = arguments(MEASURES)
    parser.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="with *.imjoy.html")
    parser.add_argument("--expect", type=Path, metavar="FILE", help="outcomes to compare with")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="that one file may take")
    parser.add_argument("--outcomes", type=Path, metavar="FILE", help="write the outcomes there")
    parser.add_argument("--only", default="", help="run files with this in their path")
    parser.add_argument("--kind", action="append", help="run plugins of this kind")
    options = parser.parse_args()
    folder = options.folder or Path(__file__).parents[1] / "examples" / "plugins"
    files = sorted(path for path in folder.rglob(f"*{SUFFIX}") if path.is_file())
    if not files:
        raise SystemExit(f"There is no *{SUFFIX} in {folder}.")
    outcomes = asyncio.run(_all(folder, files, options))
    figures = [Figure("parsed", "", _share(one.parsed for one in outcomes.values()))]
    if options.expect:
        expected = read_expected(options.expect)
        right, others = compared(outcomes, expected)
        for file, wanted, got in others:
            print(f"not as expected: {file}: {wanted} was expected, and it is {got}")
        figures.append(Figure("as_expected", "", right / max(1, len(expected))))
    counts = Counter((one.outcome, one.reason) for one in outcomes.values())
    for (outcome, reason), count in sorted(counts.items()):
        print(f"{count:5} {outcome} {reason}")
    entries = {file: one.entry() for file, one in outcomes.items()}
    for file, entry in entries.items():
        print(json.dumps({"file": file, **entry}))
    if options.outcomes:
        options.outcomes.write_text(json.dumps(entries, indent=1) + "\n")
    conclude(MEASURES, figures, options.json)


def _share(values: Any) -> float:
    listed = list(values)
    return sum(map(bool, listed)) / max(1, len(listed))


async def _all(folder: Path, files: list[Path], options: argparse.Namespace) -> dict[str, Outcome]:
    names = {path: path.relative_to(folder).as_posix() for path in files}
    outcomes: dict[str, Outcome] = {}
    waiting: list[tuple[Path, Plugin]] = []
    for path in files:
        if options.only not in names[path]:
            continue
        try:
            plugin = read(path, names[path])
        except (OpsinError, OSError) as error:
            outcomes[names[path]] = Outcome(False, "refused", reason_of(error), detail_of(error))
            continue
        operation = plugin.operations[0]
        if options.kind and plugin.kind not in options.kind:
            continue
        if operation.refused:
            outcomes[names[path]] = Outcome(
                True, "refused", operation.reason, operation.refused, plugin.kind
            )
        elif options.quick:
            outcomes[names[path]] = Outcome(True, "refused", "", "not run", plugin.kind)
        else:
            waiting.append((path, plugin))
    if waiting:
        await _run_all(waiting, names, options.seconds, outcomes)
    return {name: outcomes[name] for name in names.values() if name in outcomes}


async def _run_all(
    waiting: list[tuple[Path, Plugin]],
    names: dict[Path, str],
    seconds: float,
    outcomes: dict[str, Outcome],
) -> None:
    from harness.corpus.attended_desk import attended_desk
    from harness.corpus.stages import Stages

    stages, said = Stages(), list[str]()
    async with attended_desk(stages, said.append) as make_desk:
        known = make_desk().host.registry
        for path in names:  # a plugin finds those that it depends on
            known.add(path)
        for number, (path, plugin) in enumerate(waiting, 1):
            stages.forget()
            began = time.monotonic()
            desk = make_desk()
            try:
                outcome = await _one(desk, path, plugin, stages, seconds)
            finally:
                await desk.close()
            taken = round(time.monotonic() - began, 1)
            outcome = Outcome(
                True, outcome.outcome, outcome.reason, outcome.detail, plugin.kind, taken
            )
            outcomes[names[path]] = outcome
            words = f"{outcome.outcome} {outcome.reason} {outcome.detail[:90]}"
            print(f"[{number}/{len(waiting)}] {names[path]}: {words}", file=sys.stderr, flush=True)


async def _one(desk: Any, path: Path, plugin: Plugin, stages: Any, seconds: float) -> Outcome:
    """Load one and run it."""
    loaded: Any = None
    try:
        async with asyncio.timeout(seconds):
            loaded = await desk.load(str(path))
            is_run = plugin.kind != "collection" and loaded.function("run") is not None
            if is_run and (loaded.file.runnable or loaded.file.is_window):
                form = {one.name: one.default for one in plugin.operations[0].parameters}
                config = {name: value for name, value in form.items() if _is_plain(value)}
                await desk.run(str(path), {"config": config, "data": {}})
            # One that nobody can click on is for others, and does no more than be there.
            return Outcome(True, "ran" if is_run and loaded.file.runnable else "set_up")
    except TimeoutError:
        error: BaseException = TimeoutError(f"it took longer than {seconds:g} s")
    except Exception as failed:  # whatever a plugin fails with is an outcome
        error = failed
    said = loaded or desk.named(plugin.name)
    log = "\n".join(line.text for line in said.lines) if said is not None else ""
    stage = _stage(desk, loaded, plugin, stages)
    inputs = bool(loaded is not None and loaded.file.config.entries.get("inputs"))
    reason = reason_of(error, log, running=stage == "set_up", wants_data=inputs)
    return Outcome(True, stage, reason, detail_of(error))


def _stage(desk: Any, loaded: Any, plugin: Plugin, stages: Any) -> Stage:
    """How far one came that failed."""
    done = stages.done(plugin.name)
    if plugin.kind in ("window", "rpc-window"):
        return "set_up" if "setup" in done else "loaded" if "loaded" in done else "refused"
    if loaded is not None:
        return "set_up"
    known = desk.named(plugin.name)
    return "loaded" if "loaded" in done or (known is not None and known.interface) else "refused"


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


if __name__ == "__main__":
    main()
