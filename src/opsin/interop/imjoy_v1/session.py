"""Session: one end of a link that speaks v1, as the host of plugins or as a plugin. Pure.

Messages go in by `receive`; what comes of it is told by the functions of an `Owner`: a message to
send, a function to call, an api that was set. Both ends know each other by one id, the plugin's.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from opsin.errors import OpsinError, ProtocolError, RemoteError
from opsin.interop.imjoy_v1.codec import KEPT_MAGIC, Reference, decode, encode

API_VERSION = "0.2.3"
DURABLE = ("register", "registerService", "register_service", "export", "on")
"""Methods whose arguments are kept: functions in them last."""
MOST_WAITING = 2**16
"""Calls whose result has not come, and callbacks that were not called."""
FORWARDED = ("close", "on", "off", "emit")
KWARGS = "_rkwargs"

Message: TypeAlias = dict[str, Any]
Role: TypeAlias = Literal["host", "plugin"]
Answer: TypeAlias = Callable[[Any, BaseException | None], None]
Done: TypeAlias = Callable[[Any, BaseException | None], None]


class Owner(Protocol):
    """Who runs a session."""

    def send(self, message: Message) -> None:
        """Have a message go to the other side."""

    def remote(self, reference: Reference) -> Any:
        """What stands for a function of the other side."""

    def call(
        self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], answer: Answer
    ) -> None:
        """Call a function of this side, and answer once with its result or its error."""

    def api_set(self, api: dict[str, Any], config: dict[str, Any]) -> None:
        """The other side has said what it offers; it may do so again."""

    def execute(self, code: dict[str, Any], answer: Answer) -> None:
        """Run code that the host sent to this plugin."""

    def told(self, level: str, text: str) -> None:
        """The other side has logged something."""

    def closed(self, reason: str) -> None:
        """The other side has left."""


@dataclass(slots=True)
class _Waiting:
    """A function that waits to be called back, or a call that waits for its result."""

    function: Callable[..., Any] | None = None
    lasts: bool = False
    done: Done | None = None
    fails: bool = False
    pair: str = ""


@dataclass(slots=True)
class Session:
    """One end.

    Attributes:
        role: `host` if the other side is the plugin.
        owner: who runs it.
        config: of the plugin: `id`, `name`, `type` …; of the host's own if it is one.
        api: what this side offers: a map, or an object whose public names are meant.
        peer_id: the plugin's; '' until it is known.
    """

    role: Role
    owner: Owner
    config: dict[str, Any] = field(default_factory=dict)
    api: Any = None
    peer_id: str = ""
    remote_config: dict[str, Any] = field(default_factory=dict)
    _objects: dict[str, Any] = field(default_factory=dict)
    _waiting: dict[str, _Waiting] = field(default_factory=dict)
    _remote_ready: bool = False
    _asked: bool = False
    _disposals: list[Done] = field(default_factory=list)

    def start(self) -> None:
        """Say that this side is there. The host waits for the plugin."""
        if self.role == "plugin":
            self.peer_id = self.peer_id or str(self.config.get("id") or uuid.uuid4())
            self._send({"type": "imjoyRPCReady", "config": self._about()})

    # ------------------------------------------------------------------ what this side does

    def export(self, api: Any) -> None:
        """Offer something else from now on."""
        self.api = api
        if self.role == "host" or self._asked:
            self._send_api()

    def call(
        self, reference: Reference, args: list[Any], kwargs: Mapping[str, Any], done: Done
    ) -> None:
        """Call a function of the other side.

        Raises:
            TypeError: an argument cannot be sent.
            OpsinError: too many calls wait.
        """
        durable = reference.name.rpartition(".")[2] in DURABLE
        given = [*args, dict(kwargs)] if kwargs else list(args)
        message: Message = {
            "args": encode(given, self, as_interface=durable),
            "with_kwargs": bool(kwargs),
            "target_id": reference.target or self.peer_id,
            "promise": self._promise(done),
        }
        if reference.is_callback:
            message |= {"type": "callback", "id": reference.callback}
        else:
            message |= {
                "type": "method",
                "object_id": reference.object,
                "name": reference.name,
            }
        self._send(message)

    def run(self, code: dict[str, Any]) -> None:
        """Have the plugin execute code, which it does if it allows that."""
        self._send({"type": "execute", "code": code})

    def dispose(self, object: str, done: Done) -> None:
        """Tell the other side that one of its objects is not needed any more."""
        self._disposals.append(done)
        self._send({"type": "disposeObject", "object_id": object})

    def close(self) -> None:
        """Leave; what waits has failed."""
        self._send({"type": "disconnect"})
        self.fail("the link was closed")

    def fail(self, reason: str) -> None:
        """The other side is gone; what waits has failed."""
        waiting, self._waiting = self._waiting, {}
        disposals, self._disposals = self._disposals, []
        self._objects.clear()
        error = RemoteError(f"The call has no result: {reason}.")
        for done in (*(one.done for one in waiting.values() if one.fails), *disposals):
            if done is not None:
                done(None, error)

    # ------------------------------------------------------------------ what comes

    def receive(self, message: Any) -> None:
        """Take a message of the other side.

        Raises:
            ProtocolError: it is none. The session can go on.
        """
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise ProtocolError("A message is a map with a type.")
        handle = _HANDLERS.get(message["type"])
        if handle is not None:
            handle(self, message)

    def _ready(self, message: Message) -> None:
        if self.role != "host":
            return
        forwarded = [*FORWARDED]
        config = {
            "name": self.config.get("name", "Opsin"),
            "type": self.config.get("type", "rpc-worker"),
            "allow_execution": bool(self.config.get("allow_execution", False)),
            "enable_service_worker": False,
            "forwarding_functions": forwarded,
            "expose_api_globally": True,
        }
        peer_id = _short_text(message.get("peer_id"))
        self._send(
            {"type": "initialize", "config": config} | ({"peer_id": peer_id} if peer_id else {})
        )

    def _initialize(self, message: Message) -> None:
        if self.role != "plugin":
            return
        self.remote_config = _map(message.get("config"))
        about = {"config": self._about(), "origin": "*", "peer_id": self.peer_id}
        self._send({"type": "initialized"} | about)

    def _initialized(self, message: Message) -> None:
        if self.role != "host":
            return
        if error := message.get("error"):
            self.owner.closed(f"the plugin could not begin: {str(error)[:500]}")
            return
        peer_id = _short_text(message.get("peer_id"))
        if not peer_id:
            raise ProtocolError("A plugin has to say its peer_id.")
        if not self.peer_id:  # it is set once
            self.peer_id = peer_id
        self.remote_config = _map(message.get("config"))
        self._send_api()

    def _set_interface(self, message: Message) -> None:
        api = decode(message.get("api"), self.owner.remote)
        if not isinstance(api, dict):
            raise ProtocolError("What is exported is a map.")
        self._send({"type": "interfaceSetAsRemote"})
        self.owner.api_set(api, self.remote_config)

    def _interface_set(self, message: Message) -> None:
        if self.role == "host" and not self._remote_ready:
            self._send({"type": "getInterface"})
        self._remote_ready = True

    def _get_interface(self, message: Message) -> None:
        self._asked = True
        if self.api is not None:
            self._send_api()

    def _execute(self, message: Message) -> None:
        if self.role != "plugin":
            return

        def answer(value: Any, error: BaseException | None) -> None:
            self._send({"type": "executed"} | ({"error": str(error)} if error else {}))

        if not self.config.get("allow_execution"):
            answer(None, RemoteError("execution is not allowed"))
            return
        self.owner.execute(_map(message.get("code")), answer)

    def _executed(self, message: Message) -> None:
        if error := message.get("error"):
            self.owner.told("error", str(error)[:10_000])

    def _method(self, message: Message) -> None:
        answer = self._answer(message)
        try:
            object = _short_text(message.get("object_id"))
            if object not in self._objects:
                raise ProtocolError(f"There is no object {object!r:.80} here.")
            function = _found(self._objects[object], _short_text(message.get("name")))
            args, kwargs = self._arguments(message)
        except (OpsinError, TypeError) as error:
            answer(None, error)
            return
        self.owner.call(function, args, kwargs, answer)

    def _callback(self, message: Message) -> None:
        number = message.get("id")
        answer = self._answer(message)
        waiting = self._fetch(str(number) if isinstance(number, str | int) else "")
        if waiting is None:
            answer(None, ProtocolError("A callback can be called once: offer it as a function."))
            return
        try:
            args, kwargs = self._arguments(message)
        except (OpsinError, TypeError) as error:
            (waiting.done or answer)(None, error)
            return
        if waiting.done is not None:
            value = args[0] if args else None
            if waiting.fails:
                failed = value if isinstance(value, BaseException) else RemoteError(str(value))
                waiting.done(None, failed)
            else:
                waiting.done(value, None)
        elif waiting.function is not None:
            self.owner.call(waiting.function, args, kwargs, answer)

    def _dispose_object(self, message: Message) -> None:
        object = _short_text(message.get("object_id"))
        known = self._objects.pop(object, None) is not None
        self._send({"type": "disposed"} | ({} if known else {"error": f"no object {object!r:.80}"}))

    def _disposed(self, message: Message) -> None:
        if self._disposals:
            error = message.get("error")
            self._disposals.pop(0)(None, RemoteError(str(error)) if error else None)

    def _told(self, message: Message) -> None:
        level = "error" if message["type"] == "error" else "log"
        self.owner.told(level, str(message.get("message"))[:10_000])

    def _left(self, message: Message) -> None:
        self.fail("the other side has left")
        self.owner.closed("it has left")

    # ------------------------------------------------------------------ the book of this side

    @property
    def target(self) -> str:
        """Where functions of this side are called."""
        return self.peer_id

    def put(self, function: Callable[..., Any]) -> str:
        """The number of a function that can be called once.

        Raises:
            OpsinError: there are too many.
        """
        lasts = isinstance(getattr(function, "reference", None), Reference)
        return self._wait(_Waiting(function=function, lasts=lasts))

    def keep(self, thing: Any, id: str) -> str:
        """The number of an object."""
        id = id or str(uuid.uuid4())
        self._objects[id] = thing
        return id

    def _wait(self, waiting: _Waiting) -> str:
        if len(self._waiting) >= MOST_WAITING:
            raise OpsinError(f"More than {MOST_WAITING} calls and callbacks wait on one link.")
        number = str(uuid.uuid4())
        self._waiting[number] = waiting
        return number

    def _fetch(self, number: str) -> _Waiting | None:
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.lasts:
            del self._waiting[number]
            self._waiting.pop(waiting.pair, None)
        return waiting

    def _promise(self, done: Done) -> list[Message]:
        first = _Waiting(done=done)
        second = _Waiting(done=done, fails=True)
        first.pair = self._wait(second)
        try:
            second.pair = self._wait(first)
        except OpsinError:
            del self._waiting[first.pair]
            raise
        return [
            {"_rtype": "callback", "_rtarget_id": self.peer_id, "_rname": name, "_rvalue": number}
            for name, number in (("resolve", second.pair), ("reject", first.pair))
        ]

    # ------------------------------------------------------------------ parts

    def _answer(self, message: Message) -> Answer:
        """What sends a result to where a message wants it."""
        promise = message.get("promise")
        if not isinstance(promise, list) or len(promise) != 2:
            return lambda value, error: None
        places = [decode(one, lambda reference: reference) for one in promise]
        if not all(isinstance(one, Reference) and one.is_callback for one in places):
            raise ProtocolError("A promise is two callbacks.")

        def answer(value: Any, error: BaseException | None) -> None:
            place = places[1 if error is not None else 0]
            try:
                result = encode(error if error is not None else value, self)
            except (TypeError, OpsinError) as refused:
                place, result = places[1], encode(refused, self)
            self._send(
                {
                    "type": "callback",
                    "id": place.callback,
                    "target_id": place.target or self.peer_id,
                    "args": [result],
                    "with_kwargs": False,
                }
            )

        return answer

    def _arguments(self, message: Message) -> tuple[list[Any], dict[str, Any]]:
        args = decode(message.get("args", []), self.owner.remote)
        if not isinstance(args, list):
            raise ProtocolError("Arguments are a list.")
        last = args[-1] if args else None
        named = isinstance(last, dict) and (message.get("with_kwargs") or last.get(KWARGS))
        if not named or not isinstance(last, dict):
            return args, {}
        return args[:-1], {key: one for key, one in last.items() if key != KWARGS}

    def _send_api(self) -> None:
        api = self.api if self.api is not None else {}
        if not isinstance(api, Mapping):
            api = {name: getattr(api, name) for name in dir(api) if not name.startswith("_")}
        self._send({"type": "setInterface", "api": encode(dict(api), self, as_interface=True)})

    def _send(self, message: Message) -> None:
        if self.peer_id:
            message.setdefault("peer_id", self.peer_id)
        self.owner.send(message)

    def _about(self) -> dict[str, Any]:
        about = {
            "id": self.peer_id,
            "name": "Opsin",
            "type": "rpc-worker",
            "version": "0.1.0",
            "description": "",
            "api_version": API_VERSION,
            "lang": "python",
            "allow_execution": False,
            "dedicated_thread": True,
        }
        return about | self.config


def _found(thing: Any, path: str) -> Callable[..., Any]:
    """The function at a dotted path of an object.

    Raises:
        ProtocolError: there is none that may be called.
    """
    parts = path.split(".") if path else []
    for part in parts:
        if part.startswith("_") and part not in KEPT_MAGIC:
            raise ProtocolError(f"{path!r:.80} is not public.")
        if isinstance(thing, Mapping):
            thing = thing.get(part)
        elif isinstance(thing, list | tuple):
            thing = thing[int(part)] if part.isdecimal() and int(part) < len(thing) else None
        elif not callable(thing):
            thing = getattr(thing, part, None)
        else:
            thing = None
    if not parts or not callable(thing):
        raise ProtocolError(f"There is no function {path!r:.80} here.")
    found: Callable[..., Any] = thing
    return found


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _short_text(value: Any) -> str:
    if isinstance(value, str):
        return value[:4096]
    return str(value) if isinstance(value, int) and abs(value) < 2**63 else ""


_HANDLERS: dict[str, Callable[[Session, Message], None]] = {
    "imjoyRPCReady": Session._ready,
    "initialize": Session._initialize,
    "initialized": Session._initialized,
    "setInterface": Session._set_interface,
    "interfaceSetAsRemote": Session._interface_set,
    "getInterface": Session._get_interface,
    "execute": Session._execute,
    "executed": Session._executed,
    "method": Session._method,
    "callback": Session._callback,
    "disposeObject": Session._dispose_object,
    "disposed": Session._disposed,
    "log": Session._told,
    "error": Session._told,
    "disconnect": Session._left,
}
