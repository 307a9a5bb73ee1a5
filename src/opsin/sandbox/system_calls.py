"""System calls: which ones a sandboxed process may not make (seccomp).

A filter is a small program that the kernel runs before each call. It sees numbers and plain values,
not what they point to. Source: the page "Seccomp BPF" of the kernel's documentation, and the
tables of system calls of Linux 6.18.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from opsin.sandbox.kernel import SET_SECCOMP, control, machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

FILTER = 2
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000
NUMBER_AT, MACHINE_AT, ARGUMENTS_AT = 0, 4, 16
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32 = 0x40000000
"""Numbers from here on are of another way to call, which nobody needs."""
NAMESPACES = 0x7E020080
"""Flags of `clone`: CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""
TYPE_INTO_TERMINAL = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX: what is typed, on behalf of the user."""
UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
EVERYBODY = 0xFFFFFFFF
"""-1, as `kill` gets it."""

# Each name with its number on x86_64 and on aarch64; None where there is no such call.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # Other processes: their memory, descriptors and registers.
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    # What a program without privileges rarely needs, and holes were often found in.
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "modify_ldt": (154, None),
    # Other views of the files.
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "setns": (308, 268), "unshare": (272, 97),
    # The computer.
    "reboot": (169, 142), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "swapon": (167, 224), "swapoff": (168, 225), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "acct": (163, 89), "syslog": (103, 116), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "sethostname": (170, 161), "setdomainname": (171, 162),
    "vhangup": (153, 58), "iopl": (172, None), "ioperm": (173, None),
}  # fmt: skip
_ABSENT: dict[str, tuple[int | None, int | None]] = {
    # Calls that would be made past this filter; programs then use the ordinary ones.
    "clone3": (435, 435), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}  # fmt: skip
_SHARED: dict[str, tuple[int | None, int | None]] = {
    # Memory and messages that all processes of a user have in common.
    "shmget": (29, 194), "shmat": (30, 196), "semget": (64, 190), "msgget": (68, 186),
    "mq_open": (240, 180),
}  # fmt: skip
_ABOUT_FILES: dict[str, tuple[int | None, int | None]] = {
    # What is said of a file, wherever it lies: Landlock does not know of that.
    "chmod": (90, None), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None),
    "lchown": (94, None), "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "setxattrat": (463, 463),
    "removexattrat": (466, 466), "utime": (132, None), "utimes": (235, None),
    "futimesat": (261, None), "utimensat": (280, 88),
}  # fmt: skip
_WITH_VALUES = {
    "clone": (56, 220), "socket": (41, 198), "kill": (62, 129), "prlimit64": (302, 261),
    "ioctl": (16, 29), "truncate": (76, 45),
}  # fmt: skip


def restrict(*, families: Iterable[int] | None, alone: bool, truncate: bool) -> None:
    """Let this process, and all that it starts, make no calls that lead out of a sandbox.

    Args:
        families: the kinds of sockets that may be made; None: all.
        alone: it sees no other processes and files than its own. If not, what is shared among
            processes is refused, and what would change modes, owners and times of files is done in
            name only.
        truncate: files may be cut by their name.

    Raises:
        Refused: the kernel does not.
    """
    program = _program(families, alone, truncate)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    pointer = ctypes.create_string_buffer(header, len(header))
    control(SET_SECCOMP, FILTER, ctypes.addressof(pointer))


def _program(families: Iterable[int] | None, alone: bool, truncate: bool) -> bytes:
    column = list(MACHINES).index(machine())
    refuse, pretend = FAIL | errno.EPERM, FAIL
    lines = [
        _load(MACHINE_AT),
        _jump(EQUAL, MACHINES[machine()], 1, 0),
        _return(refuse),
        _load(NUMBER_AT),
    ]
    if machine() == "x86_64":
        lines += [_jump(AT_LEAST, X32, 0, 1), _return(FAIL | errno.ENOSYS)]

    def refuse_all(names: dict[str, tuple[int | None, int | None]], answer: int) -> None:
        for numbers in names.values():
            number = numbers[column]
            if number is not None:
                lines.extend([_jump(EQUAL, number, 0, 1), _return(answer)])

    def decide(
        name: str, argument: int, test: int, values: Iterable[int], yes: int, no: int
    ) -> None:
        """Answer a call with `yes` if the argument is such a value, and else with `no`."""
        body = [_load(ARGUMENTS_AT + 8 * argument)]
        for value in values:
            body += [_jump(test, value, 0, 1), _return(yes)]
        body.append(_return(no))
        lines.extend([_jump(EQUAL, _WITH_VALUES[name][column], 0, len(body)), *body])

    refuse_all(_REFUSED, refuse)
    refuse_all(_ABSENT, FAIL | errno.ENOSYS)
    decide("clone", 0, ANY_BIT, [NAMESPACES], refuse, ALLOW)
    decide("kill", 0, EQUAL, [EVERYBODY], refuse, ALLOW)
    decide("ioctl", 1, EQUAL, TYPE_INTO_TERMINAL, refuse, ALLOW)
    if not alone:
        refuse_all(_SHARED, refuse)
        refuse_all(_ABOUT_FILES, pretend)
        decide("prlimit64", 0, EQUAL, [0, os.getpid()], ALLOW, refuse)
    if not truncate:
        decide("truncate", 0, EQUAL, [], ALLOW, refuse)
    if families is not None:
        decide("socket", 0, EQUAL, families, ALLOW, FAIL | errno.EACCES)
    return b"".join([*lines, _return(ALLOW)])


def _load(offset: int) -> bytes:
    return struct.pack("=HBBI", LOAD, 0, 0, offset)


def _jump(test: int, value: int, then: int, otherwise: int) -> bytes:
    return struct.pack("=HBBI", test, then, otherwise, value)


def _return(answer: int) -> bytes:
    return struct.pack("=HBBI", RETURN, 0, 0, answer)
