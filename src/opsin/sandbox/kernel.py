"""Kernel: calls of Linux that Python has no function for."""

from __future__ import annotations

import ctypes
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SET_SECCOMP, DROP_BOUNDING, SET_SECURE_BITS = 22, 24, 28
ADOPT_ORPHANS, SET_NO_NEW_PRIVILEGES = 36, 38
"""Operations of prctl."""
LAST_CAPABILITY = 63
NO_ROOT_BITS = 0b1111
"""SECBIT_NOROOT, SECBIT_NO_SETUID_FIXUP, and that neither can be taken back."""
CAPSET = {"x86_64": 126, "aarch64": 91}
CAPABILITY_VERSION = 0x20080522


class Refused(Exception):
    """The kernel does not do what was asked."""


def machine() -> str:
    """The processor, if its system calls are known here: `x86_64` or `aarch64`; else ''."""
    if sys.platform != "linux" or sys.maxsize < 2**32:
        return ""
    name = os.uname().machine
    return name if name in CAPSET else ""


def control(operation: int, *arguments: int) -> None:
    """Call prctl.

    Raises:
        Refused: it failed.
    """
    words = [ctypes.c_ulong(one) for one in (*arguments, 0, 0, 0, 0)[:4]]
    if _libc().prctl(ctypes.c_int(operation), *words) != 0:
        raise _refusal(f"prctl {operation}")


def call(number: int, *arguments: Any) -> int:
    """Make a system call; what it gives.

    Raises:
        Refused: it failed.
    """
    words = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    given = int(_libc().syscall(ctypes.c_long(number), *words))
    if given < 0:
        raise _refusal(f"system call {number}")
    return given


def give_up_privileges() -> None:
    """Have no capabilities, and get none by starting a program.

    Raises:
        Refused: that cannot be.
    """
    if os.geteuid() == 0:
        for one in range(LAST_CAPABILITY + 1):
            try:
                control(DROP_BOUNDING, one)
            except Refused:
                break  # there are not so many, or this process may not, and then has none
        try:  # noqa: SIM105 # which takes time to import
            control(SET_SECURE_BITS, NO_ROOT_BITS)
        except Refused:  # it may not: it has none
            pass
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    none = (ctypes.c_uint32 * 6)()
    call(CAPSET[machine()], ctypes.byref(header), ctypes.byref(none))
    control(SET_NO_NEW_PRIVILEGES, 1)


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _refusal(what: str) -> Refused:
    number = ctypes.get_errno()
    return Refused(f"{what}: {os.strerror(number)}")
