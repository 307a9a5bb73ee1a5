"""Landlock: rules of the kernel for one process and all that it starts, which it cannot take back.

Since Linux 5.13; what later versions can (the "ABI") is used where it is there. Source: the page
"Landlock: unprivileged access control" of the kernel's documentation.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct

from opsin.sandbox.kernel import Refused, call, machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

CREATE, ADD_RULE, RESTRICT = 444, 445, 446
VERSION = 1
BENEATH = 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
REFER, TRUNCATE, IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
FIRST = (1 << 13) - 1
"""All that the first version knows of files."""
READ = EXECUTE | READ_FILE | READ_DIR
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
"""Rights that a file can have; the others are those of folders."""
TCP = 0b11
"""To bind to a port, and to connect to one."""
SCOPES = 0b11
"""Abstract Unix sockets of others, and signals to them."""

TRUNCATES, NAMES_TCP, NAMES_DEVICES, SCOPED = 3, 4, 5, 6
"""The versions from which on it knows of that."""


def version() -> int:
    """The newest version that this kernel knows; 0: none."""
    if not machine():
        return 0
    try:
        return call(CREATE, None, 0, VERSION)
    except (Refused, OSError):
        return 0


def restrict(
    reads: Iterable[str], writes: Iterable[str], *, files: bool, network: bool, known: int
) -> None:
    """Restrict this process to what is named, and what lies below.

    Args:
        reads, writes: files and folders; what is not there is left out. No others, if `files`.
        network: it may make TCP connections.
        known: `version`, which decides what can be restricted.

    Raises:
        Refused: the kernel does not.
    """
    handled = 0
    if files:
        handled = FIRST | (REFER if known >= 2 else 0) | (TRUNCATE if known >= TRUNCATES else 0)
        handled |= IOCTL_DEVICE if known >= NAMES_DEVICES else 0
    tcp = TCP if known >= NAMES_TCP and files and not network else 0
    scopes = SCOPES if known >= SCOPED else 0
    if not (handled or tcp or scopes):
        return
    attributes = struct.pack("=QQQ", handled, tcp, scopes)
    size = 24 if known >= SCOPED else 16 if known >= NAMES_TCP else 8
    rules = call(CREATE, ctypes.c_char_p(attributes), size, 0)
    try:
        for path in reads:
            _allow(rules, path, READ & handled)
        for path in writes:
            _allow(rules, path, handled)
        call(RESTRICT, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= OF_FILES
        rule = struct.pack("=Qi", rights, descriptor)
        call(ADD_RULE, rules, BENEATH, ctypes.c_char_p(rule), 0)
    finally:
        os.close(descriptor)
