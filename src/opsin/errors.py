"""Every error that Opsin raises on purpose, as one tree.

    OpsinError
    ├── UsageError          what was asked for makes no sense (a bad option, an unknown layer)
    ├── OpenError           an image cannot be opened
    │   ├── NotFound        there is nothing at that address
    │   └── Unsupported     there is something, but no reader understands it
    ├── ReadError           a chunk of an open image cannot be read
    │   ├── Unreachable     the source did not answer or failed in a way that may pass
    │   └── Corrupt         the source answered, but not with the chunk: a retry is no use
    ├── BudgetExceeded      the memory budget cannot hold what was asked for
    ├── WriteError          an image cannot be written
    ├── PluginError         a plugin's file or manifest cannot be understood
    ├── EnvironmentFailed   the packages that a plugin runs with cannot be installed
    ├── WorkerLost          the process that ran a plugin ended before it had a result
    │   └── LimitExceeded   it was ended, because it took more time or memory than it may
    ├── Cancelled           somebody cancelled the job: raised inside it, at its next step
    ├── ProtocolError       a message from outside does not follow the protocol
    ├── ConnectionLost      the other side of a link is gone; what was pending has failed
    └── RemoteError         a call failed on the other side, with an error that has no name here

A message is one sentence that says what happened, and where there is something to do, what.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

Reason: TypeAlias = Literal[
    "",
    "bad_config",
    "bad_tag",
    "dead_address",
    "needs_conda",
    "needs_engine",
    "needs_input",
    "needs_network",
    "needs_python",
    "no_wheel",
]
"""Why a plugin cannot be run, in one word for programs."""


class OpsinError(Exception):
    """Base of all errors that Opsin raises on purpose.

    `reason` is why a plugin cannot be run, where that is what happened; otherwise it is empty.
    """

    def __init__(self, *message: object, reason: Reason = "") -> None:
        super().__init__(*message)
        self.reason: Reason = reason


class UsageError(OpsinError):
    """What was asked for makes no sense."""


class OpenError(OpsinError):
    """An image cannot be opened."""


class NotFound(OpenError):
    """There is nothing at that address."""


class Unsupported(OpenError):
    """There is something at that address, but no reader understands it."""


class ReadError(OpsinError):
    """A chunk of an open image cannot be read."""


class Unreachable(ReadError):
    """The source did not answer, or failed in a way that may pass."""


class Corrupt(ReadError):
    """The source answered with bytes that are not the chunk."""


class BudgetExceeded(OpsinError):
    """The memory budget cannot hold what was asked for."""


class WriteError(OpsinError):
    """An image cannot be written."""


class PluginError(OpsinError):
    """A plugin's file or manifest cannot be understood; the message names the file and line."""


class NotFunctional(OpsinError):
    """A function does what its result may depend on, beside what it is given."""


class EnvironmentFailed(OpsinError):
    """The packages that a plugin runs with cannot be installed."""


class WorkerLost(OpsinError):
    """The process that ran a plugin ended before it had a result; the message says how."""


class LimitExceeded(WorkerLost):
    """A run was ended, because it took more time or memory than it may."""


class Cancelled(OpsinError):
    """Somebody cancelled the job. Raised inside it, where it reports its progress."""


class ProtocolError(OpsinError):
    """A message from outside does not follow the protocol."""


class ConnectionLost(OpsinError):
    """The other side of a link is gone."""


class RemoteError(OpsinError):
    """A call failed on the other side, with an error that has no name here."""
