"""Again: a run that was recorded, run anew from its record, with other parameters if need be."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from opsin.errors import UsageError
from opsin.host.host import Host
from opsin.host.job import Job
from opsin.host.registry import Registered, read_registered
from opsin.host.selection import Given, Whole
from opsin.host.step import Step, Taken
from opsin.images.crop import crop
from opsin.images.image import Image, Origin
from opsin.images.layer import Layer
from opsin.images.points.rows import Rows, holds_rows, read_rows
from opsin.images.readers import open_origin


async def run_again(
    host: Host,
    step: Step,
    parameters: Mapping[str, Any] | None = None,
    made: Mapping[str, str] | None = None,
    *,
    front_end: str = "",
) -> Job:
    """Start a run on what an earlier one took, as its record says: what lies in files, or was kept.

    Args:
        parameters: all of them; by default those that it had.
        made: paths of results by the paths of those that they take the place of.

    Raises:
        UsageError: it cannot be run so, or what it took is not there any more.
        PluginError: the plugin cannot be used any more.
        OpenError: an input cannot be opened again.
    """
    wanted = step.parameters if parameters is None else parameters
    program = host.program(plugin_of(host, step), step.operation, wanted, step.axes)
    opened = ExitStack()
    try:
        layers: dict[str, Given] = {}
        for name, one in step.inputs.items():
            found = await asyncio.to_thread(_opened, opened, step, one, made or {})
            layers[name] = found if isinstance(found, Rows) else Layer(one.layer, found)
        job = host.run(program, layers, Whole(), front_end=front_end)
    except BaseException:
        opened.close()
        raise
    job.listen(lambda job: opened.close() if job.has_ended else None)
    return job


def plugin_of(host: Host, step: Step) -> Registered:
    """The plugin that a step ran, as it is now, whether it is still in the list or not."""
    known = next((one for one in host.registry.all() if one.address == step.plugin), None)
    return read_registered(step.plugin if known is None else known.path)


def _opened(opened: ExitStack, step: Step, one: Taken, made: Mapping[str, str]) -> Image | Rows:
    if not one.address:
        reason = one.lost or f"{one.layer} is in no file"
        raise UsageError(f"{step.title} cannot be run again: {reason}.")
    address = made.get(one.address, one.address)
    if holds_rows(address):
        return read_rows(address)
    image = opened.enter_context(open_origin(Origin(address, one.number, one.kind)))
    return image if one.is_whole else crop(image, one.level, **one.cut)
