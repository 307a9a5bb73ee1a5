"""In process: whether an operation can run in the process of whoever asks for it, and why not."""

from __future__ import annotations

import shlex

from opsin.errors import UsageError
from opsin.plugins.manifest import Operation, Plugin
from opsin.workers.environment import unmet


def check_in_process(plugin: Plugin, operation: Operation) -> None:
    """See that an operation can run in this process.

    Raises:
        UsageError: it cannot; the message says what is missing, and how to install it.
    """
    what = f"{plugin.source} cannot run in this process"
    if plugin.kind != "native-python" or any(given.as_layer for given in operation.inputs):
        raise UsageError(
            f"{what}: what is written for napari runs without a window, which needs a process of "
            "its own."
        )
    if plugin.repositories:
        raise UsageError(f"{what}: it wants a working folder of its own, with repositories in it.")
    reasons = dict(unmet(plugin.requirements, plugin.python))
    if not reasons:
        return
    missing = [text for text in reasons if text]
    said = f"{what}: {', '.join(reasons.values())}."
    if "" in reasons:
        raise UsageError(f"{said} Let it run in a process of its own, which gets such a Python.")
    raise UsageError(
        f"{said} Install what is missing with `pip install {shlex.join(missing)}` and start this "
        "program anew, or let it run in a process of its own, for which Opsin installs it."
    )
