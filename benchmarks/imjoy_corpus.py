"""ImJoy's files of others: how far each of those below a folder comes.

Each is read, loaded with what it depends on, set up and run, as a click on it does it: in a worker,
or in the page of Opsin's app in a headless Chromium, with the values of its form as they stand, no
data, and no permission. Nobody answers what it asks. A line of JSON for each file says the last
step that it came to, and in a word why it did no further one:

    ran      its `run` has ended
    set_up   its `setup` has ended; one that nobody can click on, or that has no `run`, does no more
    loaded   its code was run, and its functions are there
    refused  not even that

    bad_config     it has no config, or none that can be read
    bad_tag        there is no such variant of it
    needs_conda    a package of conda that is not known to be on PyPI
    needs_engine   a kind of plugin, or a command of a shell, that only ImJoy's engine runs
    needs_python   Python 2; or it names a Python older than 3.11, and fails with a later one
    no_wheel       a package that is not to be had here, or not in the version it was written for
    dead_address   nothing will come from there: a service that was ended, a computer or file that
                   does not exist, a version that npm does not have
    needs_network  an address from which something may come another time, also one that it fetches
                   itself and may not: so on a computer without a network all but what is known to
                   be dead
    needs_input    data, a file, or an answer

What comes first stops it, and that is the reason: scripts and repositories are fetched before
packages are installed, and those before its code is run.

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
from opsin.plugins.formats.imjoy_html.config import Config
from opsin.plugins.imjoy_needs import needs
from opsin.plugins.manifest import Plugin

MEASURES = "ImJoy's files of others: how many are read, and come as far as expected"
SECONDS = 180.0
"""That one file may take, packages included."""


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
        if options.only or options.kind:
            expected = {file: one for file, one in expected.items() if file in outcomes}
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
            outcomes[names[path]] = _unread(error)
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


def _unread(error: Exception) -> Outcome:
    """Of one that is no plugin; one of a type that is not known could be read all the same."""
    reason = reason_of(error) or "bad_config"
    return Outcome(reason == "needs_engine", "refused", reason, detail_of(error))


async def _run_all(
    waiting: list[tuple[Path, Plugin]],
    names: dict[Path, str],
    seconds: float,
    outcomes: dict[str, Outcome],
) -> None:
    from harness.corpus.attended_desk import attended
    from harness.corpus.stages import Stages

    stages, said = Stages(), list[str]()
    async with attended(stages, said.append) as place:
        for path in names:  # a plugin finds those that it depends on
            place.host.registry.add(path)
        for number, (path, plugin) in enumerate(waiting, 1):
            stages.forget()
            began = time.monotonic()
            try:
                async with place.desk() as desk:
                    began = time.monotonic()
                    outcome = await _one(desk, path, plugin, stages, seconds)
            except Exception as error:  # there is no page, three times
                outcome = Outcome(True, "refused", "", detail_of(error))
            if time.monotonic() - began > seconds:
                place.leave()
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
    about: Config | None = said.file.config if said is not None else None
    reason = reason_of(
        error,
        log,
        running=stage == "set_up",
        wants_data=about is not None and bool(about.entries.get("inputs")),
        older=about is not None and _is_older(about),
    )
    return Outcome(True, stage, reason, detail_of(error))


def _is_older(config: Config) -> bool:
    """Whether it was written for an older Python than plugins run in."""
    if config.type != "native-python":
        return False
    return bool(needs(config.requirements, list(config.env)).older)


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
