"""Strange texts: what nobody would write, for all that reads ImJoy's files, names and messages.

Each is made of pieces that matter to a reader, or is a proper one in which something was changed.
A seed gives the same ones again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from opsin.errors import OpsinError
from opsin.interop.imjoy_v1.codec import Reference, decode
from opsin.interop.imjoy_v1.session import Answer, Message, Role, Session
from opsin.interop.imjoy_v1.streams import decode_message
from opsin.plugins.formats.imjoy_html import plugin_of
from opsin.plugins.imjoy_needs import needs
from opsin.plugins.imjoy_query import read_query
from opsin.plugins.imjoy_repository import read_manifest
from opsin.plugins.imjoy_uri import read_uri
from opsin.plugins.npm_mirrors import npm_file
from opsin.plugins.npm_versions import choose

PIECES = (
    *("<config", "<script", "<docs", "<window", "<style", "<attachment", "<link", "<textarea"),
    *("</config>", "</script>", "</docs>", "</window>", "</style>", ">", "/>", "<!--", "-->"),
    *(' lang="json"', ' lang="yaml"', ' tag="GPU"', " a=1", " src='x'", "<![", "]>", "<br>"),
    *('{"name": "a", "type": "window", "api_version": "0.1.8"}', "name: a\ntype: window\n"),
    *("{", "}", "[", "]", ":", ",", '"', "'", "\\", "\n", "\r\n", "\t", "  ", "\ufeff", "\0"),
    *("id: 'x', type: 'choose', options: [1, 2]", "{id: 's', type: 'number', min: 1e999}"),
    *("https://", "http://[::1]:99999/", "github.com/a/b/blob/", "gist.github.com/", "a/b:", "@"),
    *("cdn.jsdelivr.net/npm/", "unpkg.com/@a/", "cdnjs.cloudflare.com/ajax/libs/", "?", "#", "&"),
    *("pip: numpy>=1", "conda:x", "repo: https://a.b/c.git", "cmd:pip install x && y", "-r", "=="),
    *("..", "/", "%2e", "%", "\ud800", "ü", "🎉", "1", "9" * 40, "-", "^", "~", ">=", "x", "||"),
    *("&a *a", "!!python/object:os.system", "- " * 30, "? ", "|", "<<: *a", "null", "NaN"),
)
PROPER = """<docs lang="markdown">\n# A plugin\n</docs>\n<config lang="json">
{"name": "A", "type": "native-python", "version": "0.1", "api_version": "0.1.8",
 "tags": ["CPU", "GPU"], "ui": ["Sigma {id: 's', type: 'number', placeholder: 2}", {"b": 1}],
 "requirements": {"CPU": ["numpy", "pip: scipy"], "GPU": ["conda: torch"]},
 "env": "conda create -n a python=3.12", "dependencies": ["a/b:C@GPU"], "inputs": null}
</config>\n<script lang="python">\nfrom imjoy import api\n</script>
<attachment name="a">text</attachment>\n"""
LONGEST = 60
"""Pieces of a text."""
_RTYPES = (
    *("ndarray", "typedarray", "callback", "interface", "blob", "set", "orderedmap", "error"),
    *("memoryview", "file", "own", "", 7, None),
)
_TYPES = (
    *("method", "callback", "setInterface", "initialize", "initialized", "imjoyRPCReady", "log"),
    *("getInterface", "interfaceSetAsRemote", "disposeObject", "disposed", "execute", "executed"),
    *("error", "disconnect", "other", 3),
)


@dataclass(frozen=True, slots=True)
class Reader:
    """Something that reads, and what makes a text for it."""

    name: str
    make: Callable[[random.Random], Any]
    read: Callable[[Any], object]


def wrong_error(reader: Reader, given: Any) -> BaseException | None:
    """What a reader failed with that is no error of Opsin's; None: it did well."""
    try:
        reader.read(given)
    except OpsinError:
        return None
    except Exception as error:  # which is what is looked for
        return error
    return None


def text(draw: random.Random) -> str:
    """Pieces in any order."""
    return "".join(draw.choices(PIECES, k=draw.randint(0, LONGEST)))


def changed_file(draw: random.Random) -> bytes:
    """A plugin in which something was cut, doubled or replaced; or pieces."""
    if draw.random() < 0.4:
        return text(draw).encode(errors="surrogatepass")
    whole = PROPER
    for _ in range(draw.randint(1, 5)):
        start = draw.randrange(len(whole) + 1)
        end = min(len(whole), start + draw.randint(0, 40))
        middle = draw.choice(("", draw.choice(PIECES), whole[start:end] * 2))
        whole = whole[:start] + middle + whole[end:]
    content = bytearray(whole.encode(errors="surrogatepass"))
    if content and draw.random() < 0.2:
        content[draw.randrange(len(content))] = draw.randrange(256)
    return bytes(content)


def value(draw: random.Random, deep: int = 0) -> Any:
    """A value of JSON, or one that looks like what v1 sends."""
    kind = draw.randrange(8 if deep < 5 else 4)
    if kind == 0:
        return draw.choice((None, True, 0, -1, 1.5, 2**62, float("nan")))
    if kind == 1:
        return draw.choice(PIECES)
    if kind in (2, 3):
        return draw.choice((draw.randbytes(draw.randint(0, 20)), 3, "a", []))
    if kind == 4:
        return [value(draw, deep + 1) for _ in range(draw.randint(0, 4))]
    if kind == 5:
        return {draw.choice(PIECES): value(draw, deep + 1) for _ in range(draw.randint(0, 4))}
    return {
        "_rtype": draw.choice(_RTYPES),
        "_rvalue": draw.choice((value(draw, deep + 1), draw.randbytes(8), "1", "a.b", [1, [2]])),
        "_rshape": draw.choice(([2, 2], [2**40, 2**40], [-1], [8], "x", [1.5], [0] * 40)),
        "_rdtype": draw.choice(("uint8", "float32", "object", "V9999999999", "<i4,<i4", "f99", 5)),
        "_rintf": draw.choice(("a", "", 4, value(draw, deep + 1))),
        "_rtarget_id": draw.choice(("p", None, 3)),
        "_rkwargs": draw.choice((True, False)),
    }


def message(draw: random.Random) -> Any:
    """A message of v1, or nearly so."""
    if draw.random() < 0.05:
        return value(draw)
    made: dict[str, Any] = {"type": draw.choice(_TYPES)}
    for key in ("api", "args", "promise", "config", "code", "error", "message"):
        if draw.random() < 0.6:
            made[key] = value(draw)
    for key in ("id", "object_id", "name", "peer_id", "target_id", "with_kwargs"):
        if draw.random() < 0.6:
            made[key] = draw.choice(("a", "add", "deep.er", "__class__", 3, None, [], True))
    if draw.random() < 0.3:
        made["promise"] = [{"_rtype": "callback", "_rvalue": n} for n in ("1", "2")]
    return made


def packed(draw: random.Random) -> bytes:
    """A message as bytes, some of which may have been changed."""
    try:
        content = bytearray(msgspec.msgpack.encode(message(draw)))
    except (TypeError, ValueError, UnicodeError):
        content = bytearray(draw.randbytes(30))
    for _ in range(draw.choice((0, 0, 1, 3))):
        if content:
            content[draw.randrange(len(content))] = draw.randrange(256)
    return bytes(content)


class Nobody:
    """Runs a session: calls nothing, keeps nothing."""

    def send(self, message: Message) -> None:
        msgspec.msgpack.encode(message)

    def remote(self, reference: Reference) -> Reference:
        return reference

    def call(
        self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], answer: Answer
    ) -> None:
        answer(len(args), None)

    def api_set(self, api: dict[str, Any], config: dict[str, Any]) -> None: ...

    def execute(self, code: dict[str, Any], answer: Answer) -> None:
        answer(None, None)

    def told(self, level: str, text: str) -> None: ...

    def closed(self, reason: str) -> None: ...


def session(role: Role) -> Session:
    """One with an api, that has begun."""
    api = {"add": lambda *_: None, "a": {"_rintf": "a", "deep": {"er": lambda *_: None}}}
    made = Session(role, Nobody(), {"id": "p", "allow_execution": True}, api, peer_id="p")
    made.start()
    made.export(api)
    return made


def _manifest(draw: random.Random) -> str:
    listed = [{"name": text(draw), "uri": text(draw), "disabled": value(draw)} for _ in range(3)]
    made = {"name": value(draw), "uri_root": text(draw), "plugins": listed}
    content = json.dumps(made, default=str)
    cut = draw.randrange(len(content) + 1) if draw.random() < 0.2 else len(content)
    return content[:cut]


def _read_manifest(content: str) -> None:
    repository = read_manifest(content, "https://x.org/manifest.imjoy.json", "a/b")
    for one in repository.plugins:
        repository.dependency(one.name)


def _read_names(name: str) -> None:
    read_query(name)
    npm_file(name)
    npm_file(f"https://cdn.jsdelivr.net/npm/{name}")
    choose(name[:60], ("1.2.3", "2.0.0-rc.1"), {"latest": "1.2.3"})
    read_uri(name)


def _receive(given: tuple[Role, list[bytes]]) -> None:
    role, messages = given
    one = session(role)
    for content in messages:
        try:
            one.receive(decode_message(content))
        except OpsinError:
            continue
    one.fail("the end")


def _messages(draw: random.Random) -> tuple[Role, list[bytes]]:
    role: Role = draw.choice(("host", "plugin"))
    return role, [packed(draw) for _ in range(draw.randint(1, 8))]


READERS = (
    Reader("file", changed_file, lambda content: plugin_of(content, "a")),
    Reader("name", text, _read_names),
    Reader("manifest", _manifest, _read_manifest),
    Reader("needs", lambda d: [text(d), d.choice(PIECES), value(d)], lambda v: needs(v[:2], v[2])),
    Reader("value", value, lambda given: decode(given, lambda reference: reference)),
    Reader("messages", _messages, _receive),
)
