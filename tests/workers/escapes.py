"""A plugin that tries to break out. Each operation says what it achieved; none does harm."""

from __future__ import annotations

SOURCE = '''
import ctypes
import mmap
import os
import socket
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from opsin.types import Image, Table

libc = ctypes.CDLL(None, use_errno=True)
PATIENCE = 0.8


def attempt(*ways):
    """What each way gave, or why it failed."""
    said = []
    for way in ways:
        try:
            said.append(f"yes: {way()}")
        except Exception as error:
            said.append(f"no: {type(error).__name__}: {error}")
    return {"said": said}


def reads(home: str = "") -> Table:
    key = Path(home, ".ssh", "id_ed25519")
    link = Path(tempfile.gettempdir(), "link")

    def by_link():
        link.symlink_to(key)
        return link.read_text()

    def by_hard_link():
        os.link(key, link.with_name("hard"))
        return link.with_name("hard").read_text()

    return attempt(
        key.read_text,
        lambda: os.listdir(key.parent),
        by_link,
        by_hard_link,
        lambda: Path("/proc/1/root", str(key)[1:]).read_text(),
        lambda: Path(f"/proc/{os.getppid()}/cwd", "pyproject.toml").read_text()[:9],
    )


def environment(image: Image) -> Table:
    """Variables: its own, and those of the host."""
    host = Path(f"/proc/{os.getppid()}/environ")
    return {"said": [str("A_SECRET" in os.environ), *attempt(host.read_bytes)["said"]]}


def own(image: Image) -> Table:
    """What it may do."""
    folder = Path(tempfile.gettempdir())
    (folder / "a").mkdir()
    (folder / "a" / "file").write_text("mine")
    (folder / "a" / "file").rename(folder / "file")
    (Path.home() / "settings").write_text("mine")
    import multiprocessing
    with multiprocessing.get_context("fork").Pool(2) as pool:
        squares = pool.map(abs, [-1, -2])
    return {"said": [str(folder), str(Path.home()), (folder / "file").read_text(), str(squares)]}


def writes(folder: str = "") -> Table:
    """Into a folder that has the file `kept` inside."""
    place, kept = Path(folder), Path(folder, "kept")
    here = Path(__file__)
    return attempt(
        lambda: (place / "new").write_text("new"),
        lambda: (place / "made").mkdir(),
        lambda: kept.write_text("changed"),
        lambda: kept.rename(place / "renamed"),
        lambda: os.truncate(place / "long", 0),
        (place / "gone").unlink,
        lambda: (place / "sent").symlink_to("/"),
        lambda: (place / "mode").chmod(0o777),
        lambda: os.utime(place / "mode", (0, 0)),
        lambda: here.write_text("changed"),
        lambda: here.with_name("beside.py").write_text("new"),
    )


def connects(port: int = 0, datagrams: int = 0, path: str = "", name: str = "") -> Table:
    def tcp():
        with socket.create_connection(("127.0.0.1", port), 2) as made:
            made.sendall(b"tcp")

    def udp():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            made.sendto(b"udp", ("127.0.0.1", datagrams))

    def unix(address):
        with socket.socket(socket.AF_UNIX) as made:
            made.settimeout(2)
            made.connect(address)
            made.sendall(b"unix")

    return attempt(tcp, udp, lambda: unix(path), lambda: unix("\\0" + name))


def traces(pid: int = 0, address: int = 0) -> Table:
    """Take hold of another process, and read its memory."""
    def attach():
        if libc.ptrace(16, pid, None, None) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        libc.ptrace(17, pid, None, None)

    class Piece(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]

    def read():
        buffer = ctypes.create_string_buffer(16)
        ours = Piece(ctypes.addressof(buffer), 16)
        theirs = Piece(address, 16)
        one = ctypes.c_ulong(1)
        given = libc.process_vm_readv(
            pid, ctypes.byref(ours), one, ctypes.byref(theirs), one, ctypes.c_ulong(0)
        )
        if given < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return buffer.raw

    def by_file():
        with open(f"/proc/{pid}/mem", "rb", 0) as file:
            file.seek(address)
            return file.read(16)

    return attempt(attach, read, by_file, Path(f"/proc/{pid}/environ").read_bytes)


def signals(pid: int = 0) -> Table:
    import signal
    def by_descriptor():
        signal.pidfd_send_signal(os.pidfd_open(pid), 15)
    return attempt(lambda: os.kill(pid, 15), by_descriptor)


def forks(image: Image, count: int = 80) -> Table:
    """Have so many processes at once."""
    pids = []
    try:
        for _ in range(count):
            pid = os.fork()
            if pid == 0:
                time.sleep(20)
                os._exit(0)
            pids.append(pid)
        time.sleep(PATIENCE)
    except OSError as error:
        return {"said": [f"no: {error}"]}
    finally:
        for pid in pids:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
    return {"said": [f"yes: {len(pids)}"]}


def threads(image: Image, count: int = 80) -> Table:
    ended = threading.Event()
    made = [threading.Thread(target=ended.wait, daemon=True) for _ in range(count)]
    try:
        for one in made:
            one.start()
        time.sleep(PATIENCE)
    except RuntimeError as error:
        return {"said": [f"no: {error}"]}
    finally:
        ended.set()
    return {"said": [f"yes: {count}"]}


def takes(image: Image, size: int = 0) -> Table:
    """Memory, in this process."""
    return attempt(lambda: int(np.ones(size << 20, np.uint8)[::4096].sum() > 0))


def takes_together(image: Image, size: int = 0, count: int = 4) -> Table:
    """Memory, in several processes, each of which would be allowed."""
    ready, told = os.pipe()
    pids = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            block = np.ones(size << 20, np.uint8)
            os.write(told, b"x")
            time.sleep(20)
            os._exit(len(block) & 0)
        pids.append(pid)
    got = b""
    while len(got) < count:
        got += os.read(ready, count)
    time.sleep(PATIENCE)
    for pid in pids:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    return {"said": [f"yes: {len(got)}"]}


def fills(image: Image, size: int = 0, count: int = 6) -> Table:
    """The disk, in files of so many MiB."""
    def fill():
        folder = Path(tempfile.mkdtemp())
        for number in range(count):
            (folder / str(number)).write_bytes(bytes(size << 20))
        time.sleep(PATIENCE)
        return count
    return attempt(fill)


def changes(image: Image) -> Image:
    """Give a result, and change it when it was taken."""
    from opsin.rpc import shared_arrays
    import gc
    for one in gc.get_objects():
        if isinstance(one, shared_arrays.SharedArrays):
            one._trusted = True
    result = shared_arrays.empty((512, 512), np.uint8)
    result[...] = 1

    def change():
        time.sleep(0.5)
        result[...] = 66

    threading.Thread(target=change, daemon=True).start()
    return result


def writes_input(image: Image) -> Table:
    """Write to the memory of the host's array, past the mapping that was given."""
    done = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            if "memfd" in os.readlink(descriptor):
                number = int(descriptor.name)
                for way in (
                    lambda: os.pwrite(number, b"\\x42" * 64, 0),
                    lambda: mmap.mmap(number, 4096).write(b"\\x42" * 64),
                    lambda: os.ftruncate(number, 0),
                    lambda: os.pwrite(os.open(f"/proc/self/fd/{number}", os.O_RDWR), b"B", 0),
                ):
                    done += attempt(way)["said"]
        except OSError:
            continue
    return {"said": done}


def views(image: Image) -> Table:
    """Other views of the files, and other users. A child asks for them, and ends with them."""
    def unshared(flags):
        def call():
            pid = os.fork()
            if pid == 0:
                os._exit(ctypes.get_errno() if libc.unshare(flags) else 0)
            number = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if number:
                raise OSError(number, os.strerror(number))
        return call
    return attempt(unshared(0x10000000), unshared(0x10020000))


def strays(image: Image) -> Table:
    """A process that leaves the group, and its parent."""
    import subprocess
    subprocess.run(["setsid", "--fork", "sleep", "60"], check=True)
    print("stray")
    time.sleep(60)
    return {"said": []}
'''
