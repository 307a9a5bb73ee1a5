"""Host service: what a page can ask of the host, over one RPC link (protocol/HOST.md)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from opsin.chunks.camera import Camera
from opsin.errors import ConnectionLost, OpsinError, PluginError, UsageError
from opsin.host.agreements import Agreements
from opsin.host.calls import Program
from opsin.host.host import Host
from opsin.host.imjoy.added import fetch_all
from opsin.host.imjoy.desk import Desk
from opsin.host.imjoy.face import Face
from opsin.host.imjoy.file_choice import Served
from opsin.host.imjoy.imjoy_file import ImjoyFile
from opsin.host.job import Job
from opsin.host.permissions import Agreement, Answer, to_be_asked
from opsin.host.registry import Registered
from opsin.host.selection import Given, Visible, Where, Whole
from opsin.images.image import Origin
from opsin.images.points.rows import Rows, read_rows, rows_from_points
from opsin.plugins.formats import read_plugin
from opsin.plugins.imjoy_uri import SUFFIX
from opsin.plugins.manifest import Scalar
from opsin.rpc.frames import Frame
from opsin.rpc.peer import Peer
from opsin.rpc.remote import Remote, typed
from opsin.rpc.transports.websocket import HEARTBEAT, decode_message, encode_message
from opsin.server.history import History, table_address
from opsin.server.page_desk import PageDesk
from opsin.server.session import Session

INTERVAL = 0.1
"""Seconds between two news of jobs."""
LOOK_INTERVAL = 1.0
"""Seconds after which the files of plugins are looked at again."""
SENT_LINES = 100
"""Newest lines of a log."""
LARGEST_PLUGIN = 2**18
"""Letters of a plugin's file."""
LARGEST_IMJOY = 2**24
"""Letters of one of ImJoy's, in which attachments lie."""
LARGEST_NUMBER = 1e100
"""Of a view: one can compute with it."""

T = TypeVar("T")


class VisibleRegion(msgspec.Struct, tag_field="region", tag="visible", frozen=True):
    """What the canvas shows."""

    center: tuple[float, float]
    zoom: float
    size: tuple[float, float]
    displayed: tuple[str, str]
    position: dict[str, float]


class WholeLevel(msgspec.Struct, tag_field="region", tag="whole", frozen=True):
    """All of a level."""

    level: int
    slices: Literal["shown", "all"]
    position: dict[str, float]


class Request(msgspec.Struct, frozen=True):
    """A run, as a page asks for it. An input is a layer, or the address of a table of a job."""

    plugin: str
    operation: str
    inputs: dict[str, int | str]
    parameters: dict[str, Any]
    where: VisibleRegion | WholeLevel
    axes: str = ""
    anew: bool = False


class HostService:
    """The root service of a page's link.

    Args:
        served: serves the files that the page's plugins are given addresses of.
    """

    def __init__(self, session: Session, served: Served | None = None) -> None:
        self._session = session
        self._served = served
        self._history = History(session, self._started)
        self._desks: list[Desk] = []
        self._fetching: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """The page is gone, and what it had loaded goes, too. Idempotent."""
        while self._desks:
            await self._desks.pop().close()
        for task in self._fetching:
            task.cancel()

    async def desk(self, face: Any) -> PageDesk:
        """Where this page's ImJoy plugins are loaded; the one that it had before is cleared.

        Args:
            face: what is asked of the page, see protocol/IMJOY.md.
        """
        if not isinstance(face, Remote):
            raise UsageError("A desk has a face, which the page answers.")
        await self.close()
        desk = Desk(self._session.host, typed(face, Face))
        desk.files.served, desk.files.is_own = self._served, self._session.own
        self._desks.append(desk)
        return PageDesk(desk, self._given, _where_asked, self._session.own)

    async def watch_plugins(self) -> AsyncIterator[list[dict[str, Any]]]:
        """All plugins, now and whenever that list changes. Their files are watched meanwhile."""
        registry = self._session.host.registry
        changed = asyncio.Event()
        agreements, loop = self._session.host.agreements, asyncio.get_running_loop()
        stop = registry.listen(changed.set)
        stop_agreeing = agreements.listen(lambda _: loop.call_soon_threadsafe(changed.set))
        verified_operations = self._session.host.workspace.verified_operations
        try:
            while True:
                changed.clear()
                known = await asyncio.to_thread(agreements.all)
                verified = await asyncio.to_thread(verified_operations)
                yield [self._entry(one, known, verified) for one in registry.all()]
                while not changed.is_set():
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_INTERVAL):  # wait_for can lose a cancel
                            await changed.wait()
                    await asyncio.to_thread(_stats, [one.path for one in registry.all()])
                    registry.refresh()
                    if (  # by another process
                        await asyncio.to_thread(agreements.all) != known
                        or await asyncio.to_thread(verified_operations) != verified
                    ):
                        changed.set()
        finally:
            stop()
            stop_agreeing()

    async def add_plugin(self, file_name: Any, text: Any) -> dict[str, Any]:
        """Keep a plugin's file in the user's workspace, if it can be used."""
        if not isinstance(file_name, str) or not isinstance(text, str):
            raise UsageError("A plugin is the text of a file, and its name.")
        is_imjoy = file_name.lower().endswith(SUFFIX)
        if len(text) > (LARGEST_IMJOY if is_imjoy else LARGEST_PLUGIN):
            most = "16 MiB" if is_imjoy else "256 KiB"
            raise UsageError(f"{file_name[:80]} is too large for a plugin ({most} at most).")
        host = self._session.host
        check_plugin(file_name, text)
        path = await asyncio.to_thread(host.workspace.keep_plugin, file_name, text)
        if is_imjoy:  # what it names by address is here when it runs, also without a network
            self._fetching.add(task := asyncio.create_task(_fetched(text, host)))
            task.add_done_callback(self._fetching.discard)
        return self._entry(host.registry.add(path))

    async def plugin_source(self, id: Any) -> dict[str, str]:
        """Name and text of a plugin's file that is kept in the workspace, to be changed there."""
        host = self._session.host
        path = host.registry.get(_checked(id, str, "plugin")).path
        if path.parent != host.workspace.plugins or not self._session.own:
            raise UsageError(f"{path.name} is not kept by Opsin: change its file.")
        try:
            text = await asyncio.to_thread(path.read_text, "utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PluginError(f"{path} cannot be read: {error}.") from error
        return {"file_name": path.name, "text": text}

    async def remove_plugin(self, id: Any) -> None:
        """Forget a plugin."""
        self._session.host.forget_plugin(_checked(id, str, "plugin"))

    async def answer(self, id: Any, answers: Any, terms: Any) -> dict[str, Any]:
        """Keep what the user answers to what a plugin asks for; the plugin as it is then."""
        try:
            given = msgspec.convert(answers, dict[str, bool | list[str]])
        except msgspec.ValidationError as error:
            raise UsageError(f"That is no answer: {error}.") from None
        host = self._session.host
        plugin = host.registry.get(_checked(id, str, "plugin"))
        made: dict[str, Answer] = {
            name: one if isinstance(one, bool) else tuple(map(Path, one))
            for name, one in given.items()
        }
        await asyncio.to_thread(
            host.agreements.answer, plugin, made, _checked(terms, str, "agreement")
        )
        return self._entry(plugin)

    async def estimate(self, request: Any) -> dict[str, Any]:
        """What a run would need."""
        program, layers, where = self._understood(request)
        found = self._session.host.estimate(program, layers, where)
        return {name: getattr(found, name) for name in found.__slots__}

    async def run(self, request: Any) -> str:
        """Start a run; gives the id of its job."""
        return self._started(request).id

    async def script(self, jobs: Any) -> str:
        """Jobs, and those before whose results they took, as a Python program."""
        return await self._history.script(
            [_checked(one, str, "job") for one in _checked(jobs, list, "job")]
        )

    async def set_undone(self, job: Any, undone: Any) -> None:
        """Let a job not count, and take its layers away; or the other way round."""
        await self._history.set_undone(_checked(job, str, "job"), bool(undone))

    async def change(self, job: Any, parameters: Any) -> str:
        """Run a job with other parameters, then what depends on it; gives the id of the first."""
        id = _checked(job, str, "job")
        return self._history.change(id, _checked(parameters, dict, "choice of parameters"))

    async def run_on_folder(self, jobs: Any, folder: Any, out: Any) -> str:
        """Run the script of jobs on the images in a folder; gives the id of the job that does."""
        if not self._session.own:
            raise UsageError("Folders of this computer are worked on by its own user only.")
        ids = [_checked(one, str, "job") for one in _checked(jobs, list, "job")]
        return await self._history.run_on_folder(
            ids, _checked(folder, str, "folder"), _checked(out, str, "folder")
        )

    async def cancel(self, job: Any) -> None:
        """End a job."""
        self._session.host.job(_checked(job, str, "job")).cancel()

    async def watch_jobs(self) -> AsyncIterator[list[dict[str, Any]]]:
        """All jobs, then those that have changed."""
        host = self._session.host
        changed = dict(host.jobs)
        lines: dict[str, int] = {}
        wake = asyncio.Event()

        def note(job: Job) -> None:
            changed[job.id] = job
            wake.set()

        stop = host.listen(note)
        try:
            while True:
                jobs = sorted(changed.values(), key=lambda job: job.started)
                changed.clear()
                wake.clear()
                entries = [job_entry(job, self._session) for job in jobs]
                for job, entry in zip(jobs, entries, strict=True):
                    if lines.get(job.id) == job.lines:
                        entry["log"] = None
                lines |= {job.id: job.lines for job in jobs}
                yield entries
                await wake.wait()
                await asyncio.sleep(INTERVAL)
        finally:
            stop()

    async def forget_job(self, job: Any) -> None:
        """Take an ended job from the list; one that is not there is no error."""
        if _checked(job, str, "job") in self._session.host.jobs:
            self._session.host.forget_job(job)

    async def send_to_napari(self, id: Any) -> list[str]:
        """Show a layer in a running napari; the names of its layers there."""
        number, scene = _checked(id, int, "layer"), self._session.scene
        self._session.host  # noqa: B018 # raises where others could reach this server
        layer = scene.points.get(number) or scene.layers.get(number)
        if layer is None:
            raise UsageError("That layer is not there any more.")
        return await self._session.napari.send(layer)

    async def remove_layer(self, id: Any) -> None:
        """Take a layer out of the scene."""
        self._session.remove_layer(_checked(id, int, "layer"))

    async def restore_layer(self, id: Any) -> None:
        """Undo that."""
        self._session.restore_layer(_checked(id, int, "layer"))

    def _entry(
        self,
        registered: Registered,
        known: Sequence[Agreement] | None = None,
        verified: Collection[tuple[str, str]] | None = None,
    ) -> dict[str, Any]:
        if verified is None:
            verified = self._session.host.workspace.verified_operations()
        workspace = self._session.host.workspace
        is_kept = registered.path.parent == workspace.plugins
        origin = workspace.origin(registered.path.name) if is_kept else ""
        entry = plugin_entry(registered, self._session.host.agreements, known, verified, origin)
        return {**entry, "kept": is_kept and self._session.own}

    def _started(self, request: Any) -> Job:
        program, layers, where = self._understood(request)
        job = self._session.host.run(program, layers, where)
        job.request = request
        return job

    def _understood(self, request: Any) -> tuple[Program, dict[str, Given], Where]:
        try:
            asked = msgspec.convert(request, Request)
        except msgspec.ValidationError as error:
            raise UsageError(f"That is no request for a run: {error}.") from None
        host = self._session.host
        plugin = host.registry.get(asked.plugin)
        program = self._within_roots(
            host.program(plugin, asked.operation, asked.parameters, asked.axes, anew=asked.anew)
        )
        known = [one.name for one in program.operation.inputs]
        for name in asked.inputs:
            if name not in known:
                raise UsageError(
                    f"{program.operation.title} has no input {name!r}: it has {', '.join(known)}."
                )
        chosen = {name: self._given(one) for name, one in asked.inputs.items()}
        return program, chosen, _where(asked.where)

    def _within_roots(self, program: Program) -> Program:
        """A program whose files may be read for whoever asks."""
        if self._session.own:
            return program
        real: dict[str, Scalar] = {}
        for name, path in program.files():
            found = self._session.library.roots.real(path)
            if found is None:
                raise UsageError(f"{path} is not below a folder that this server shows.")
            real[name] = str(found)
        return replace(program, parameters={**program.parameters, **real})

    def _given(self, which: int | str) -> Given:
        """The layer of that id, or the table at that address."""
        scene = self._session.scene
        if isinstance(which, str):
            return _table(self._session.host, which)
        if which in scene.points:
            layer = scene.points[which]
            return rows_from_points(layer.points, layer.name)
        if which in scene.layers:
            return scene.layers[which]
        raise UsageError("A layer that was chosen is not there any more: choose another.")


def _where_asked(value: Any) -> Where:
    """Where a run works, as a page asks for it."""
    try:
        return _where(msgspec.convert(value, VisibleRegion | WholeLevel))
    except msgspec.ValidationError as error:
        raise UsageError(f"That is no part of an image: {error}.") from None


def _checked(value: Any, kind: type[T], what: str) -> T:
    """What names a thing, if it is of that type."""
    if not isinstance(value, kind) or isinstance(value, bool):
        raise UsageError(f"There is no such {what}.")
    return value


def _table(host: Host, address: str) -> Rows:
    """The table that a job gave, by the address that pages have of it."""
    found = (
        result
        for job in host.jobs.values()
        for number, result in enumerate(job.results)
        if result.rows is not None and table_address(job, number) == address
    )
    result = next(found, None)
    if result is None:
        raise UsageError("A table that was chosen is not there any more: choose another.")
    path, rows = result.path, result.rows or 0
    origin = Origin(str(path))
    return Rows(path.name, "table", rows, lambda: read_rows(path).columns, origin=origin)


def _where(where: VisibleRegion | WholeLevel) -> Where:
    numbers = list(where.position.values())
    if isinstance(where, VisibleRegion):
        numbers += [*where.center, where.zoom, *where.size]
    if not all(abs(number) <= LARGEST_NUMBER for number in numbers):
        raise UsageError("A view has finite numbers, and none larger than 1e100.")
    if isinstance(where, WholeLevel):
        return Whole(where.level, where.position if where.slices == "shown" else None)
    width, height = map(round, where.size)
    if where.zoom < 1 / LARGEST_NUMBER or width < 1 or height < 1:
        raise UsageError("A view has a size.")
    if where.displayed[0] == where.displayed[1]:
        raise UsageError(f"A view shows two axes, not {where.displayed[0]} twice.")
    return Visible(
        Camera(where.center, where.zoom, (width, height), where.position, where.displayed)
    )


def check_plugin(file_name: str, text: str) -> None:
    """Raise PluginError unless a plugin can be read of the text of a file."""
    with TemporaryDirectory(prefix="opsin-") as folder:
        endings = (SUFFIX, ".pyi")
        ending = next((one for one in endings if file_name.lower().endswith(one)), ".py")
        path = Path(folder) / f"plugin{ending}"
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
        try:
            read_plugin(path)
        except PluginError as error:
            raise PluginError(str(error).replace(str(path), file_name)) from None


def plugin_entry(
    registered: Registered,
    agreements: Agreements,
    known: Sequence[Agreement] | None = None,
    verified: Collection[tuple[str, str]] = (),
    origin: str = "",
) -> dict[str, Any]:
    """A plugin as pages get it.

    Args:
        known: what `agreements` has, if that was read already.
        verified: digests and names of operations that were found functional.
        origin: where it came from; '' if it cannot be fetched from there anew.
    """
    plugin = registered.plugin
    operations = plugin.operations if plugin is not None else ()
    return {
        "id": registered.id,
        "kind": plugin.kind if plugin is not None else "",
        "name": plugin.name if plugin is not None else registered.path.name,
        "version": plugin.version if plugin is not None and plugin.version != "0" else "",
        "description": plugin.description if plugin is not None else "",
        "source": registered.address,
        "error": registered.error,
        "permissions": [
            {
                "name": one.name,
                "reason": one.reason,
                "state": one.state,
                "folders": list(map(str, one.folders)),
            }
            for one in agreements.asked(registered, known)
        ],
        "asks": list(to_be_asked(plugin)) if plugin is not None else [],
        "terms": agreements.terms(registered) if plugin is not None else "",
        "may_allow": agreements.changeable,
        "labels": list(plugin.labels) if plugin is not None else [],
        "origin": origin,
        "verified": plugin is not None
        and bool(operations)
        and all((plugin.digest, one.name) in verified for one in operations),
        "operations": [
            {
                "name": one.name,
                "title": one.title,
                "description": one.description,
                "inputs": msgspec.to_builtins(one.inputs),
                "files": msgspec.to_builtins(one.files),
                "outputs": msgspec.to_builtins(one.outputs),
                "form": one.form(),
                "refused": one.refused,
            }
            for one in operations
        ],
    }


def job_entry(job: Job, session: Session) -> dict[str, Any]:
    """A job as pages get it. It is done when its layers are there."""
    layers = session.job_layers.get(job.id)
    error = job.error
    return {
        "id": job.id,
        "title": job.title,
        "plugin": job.plugin,
        "operation": job.operation,
        "request": job.request,
        "state": "writing" if job.state == "done" and layers is None else job.state,
        "done": job.done,
        "total": job.total,
        "text": job.text,
        "started": job.started,
        "seconds": job.seconds,
        "error": error
        and {"type": error.type, "message": error.message, "traceback": error.traceback},
        "log": list(job.log)[-SENT_LINES:],
        "undone": job.undone,
        "isolation": job.isolation,
        "permissions": list(job.permissions),
        "layers": list(layers or ()),
        "places": [{"name": one.name, "path": str(one.path)} for one in job.results],
        "files": [
            {"name": one.name, "rows": one.rows, "address": table_address(job, number)}
            for number, one in enumerate(job.results)
            if one.rows is not None
        ],
    }


async def _fetched(text: str, host: Host) -> None:
    """Fetch what a plugin names by address; what cannot be had is told when it runs."""
    with suppress(OpsinError):
        await fetch_all(ImjoyFile.of(text, "It"), host.workspace)


def _stats(paths: list[Path]) -> None:
    """Look at files from a thread: one on a network that hangs must not stop the server."""
    for path in paths:
        with suppress(OSError):
            path.stat()


class SocketTransport:
    """One end of an RPC link over a page's WebSocket."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def send(self, frame: Frame) -> None:
        try:
            await self._socket.send_bytes(encode_message(frame))
        except (WebSocketDisconnect, RuntimeError, OSError):
            raise ConnectionLost("The page is gone.") from None

    async def receive(self) -> Frame:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise EOFError
        return decode_message(message.get("bytes") or message.get("text") or b"")

    async def close(self) -> None:
        with suppress(WebSocketDisconnect, RuntimeError, OSError):
            await self._socket.close()


async def host_link(socket: WebSocket) -> None:
    """The link of one page."""
    session: Session = socket.app.state.session
    await socket.accept()
    transport = SocketTransport(socket)
    base = f"http://{socket.headers['host']}/"
    service = HostService(session, socket.app.state.served_at(base))
    try:
        async with Peer(transport, service, heartbeat=HEARTBEAT) as peer:
            await peer.until_ended()
    finally:
        await service.close()
