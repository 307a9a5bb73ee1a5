"""What a plugin in Pyodide imports as `imjoy`: the api of the page, and values to and from it."""

import array
import builtins
import collections
import datetime
import inspect
import io
import sys
import types

import js
from pyodide.ffi import JsException, JsProxy, create_proxy, to_js

try:
    from pyodide.ffi import jsnull
except ImportError:  # before 0.28 it was None
    jsnull = None

_VIEWS = {
    "Int8Array": "b", "Uint8Array": "B", "Uint8ClampedArray": "B", "Int16Array": "h",
    "Uint16Array": "H", "Int32Array": "i", "Uint32Array": "I", "Float32Array": "f",
    "Float64Array": "d", "BigInt64Array": "q", "BigUint64Array": "Q",
}  # fmt: skip
_NAMES = {code: name for name, code in _VIEWS.items() if name != "Uint8ClampedArray"}
_unblob = None


class dotdict(dict):
    """A dict whose entries are attributes too, as those of ImJoy's library."""

    def __getattr__(self, name):
        if name in self:
            return self[name]
        raise AttributeError(name)

    __setattr__ = dict.__setitem__
    __delattr__ = dict.__delitem__


def _numpy():
    return sys.modules.get("numpy") or _imported("numpy")


def _imported(name):
    try:
        return __import__(name)
    except ImportError:
        return None


def _object(**entries):
    made = js.Object.new()
    for key, value in entries.items():
        setattr(made, key, value)
    return made


def _buffer(data):
    view = to_js(bytes(data))  # a copy, whose memory is its own
    return view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength)


def to_page(value):
    """A value of Python as the page's side of ImJoy's protocol takes it."""
    if value is None or isinstance(value, (bool, int, float, str, JsProxy)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return _buffer(value)
    if isinstance(value, memoryview):
        return js.DataView.new(_buffer(value))
    if isinstance(value, array.array):
        return getattr(js, _NAMES[value.typecode if value.typecode != "l" else "i"]).new(
            _buffer(value.tobytes())
        )
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        whole = numpy.asarray(value, order="C")
        return _object(
            _rtype="ndarray",
            _rvalue=_buffer(whole.tobytes()),
            _rshape=to_js(list(whole.shape)),
            _rdtype=whole.dtype.name,
        )
    if isinstance(value, (list, tuple)):
        made = js.Array.new()
        for item in value:
            made.push(to_page(item))
        return made
    if isinstance(value, (set, frozenset)):
        return js.Set.new(to_page(list(value)))
    if isinstance(value, collections.OrderedDict):
        return js.Map.new(to_page([[key, item] for key, item in value.items()]))
    if isinstance(value, dict):
        return _map({str(key): item for key, item in value.items()})
    if isinstance(value, BaseException):
        return js.Error.new(str(value))
    if isinstance(value, datetime.datetime):
        return js.Date.new(value.timestamp() * 1000)
    if isinstance(value, io.StringIO):
        return js.Blob.new(to_page([value.getvalue()]))
    if isinstance(value, io.BytesIO):
        return js.Blob.new(to_page([value.getvalue()]))
    if inspect.isclass(value):
        raise TypeError("Export an instance of the class: api.export(ImJoyPlugin()).")
    if callable(value) and not _is_thing(value):
        return _function(value)
    names = [name for name in dir(value) if not name.startswith("_")]
    public = {name: getattr(value, name) for name in names}
    return _map({"_rintf": True, **public})


def _is_thing(value):
    return not (inspect.isroutine(value) or hasattr(value, "__wrapped__")) and hasattr(
        value, "setup"
    )


def _map(entries):
    made = js.Object.new()
    for key, item in entries.items():
        js.Reflect.set(made, key, to_page(item))
    return made


def _function(call):
    own = getattr(call, "_of_page", None)
    if own is not None:
        return own

    async def called(*args):
        given = [from_page(await _unblob(one)) for one in args]
        keywords = {}
        if given and isinstance(given[-1], dict) and given[-1].pop("_rkwargs", False):
            keywords = given.pop()
        result = call(*given, **keywords)
        if inspect.isawaitable(result):
            result = await result
        return to_page(result)

    return create_proxy(called)


class _Remote:
    """A function of the page, or of another plugin: it is awaited."""

    def __init__(self, call):
        self._of_page = call

    def __call__(self, *args, **keywords):
        given = [to_page(one) for one in args]
        if keywords:
            given.append(_map({**keywords, "_rkwargs": True}))
        # Begun here and now: many plugins await none of what they tell.
        return _awaited(self._of_page(*given))


def _awaited(promise):
    import asyncio

    async def result():
        try:
            return from_page(await _unblob(await promise))
        except JsException as error:
            raise RuntimeError(str(getattr(error, "message", error))) from None

    return asyncio.ensure_future(result())


def from_page(value):
    """A value of JavaScript as a plugin in Python gets it."""
    if value is jsnull or value is None:
        return None
    if not isinstance(value, JsProxy):
        return value
    kind = str(js.Object.prototype.toString.call(value))[8:-1]
    if callable(value) and kind in ("Function", "AsyncFunction", "Remote"):
        return _Remote(value)
    if kind == "Array":
        return [from_page(item) for item in value]
    if kind == "ArrayBuffer":
        return value.to_bytes()
    if kind == "DataView":
        return memoryview(
            js.Uint8Array.new(value.buffer, value.byteOffset, value.byteLength).to_bytes()
        )
    if kind in _VIEWS:
        numpy = _numpy()
        data = js.Uint8Array.new(value.buffer, value.byteOffset, value.byteLength).to_bytes()
        return (
            numpy.frombuffer(data, _VIEWS[kind]) if numpy else memoryview(data).cast(_VIEWS[kind])
        )
    if kind == "Set":
        return {from_page(item) for item in _listed(value)}
    if kind == "Map":
        pairs = [(from_page(key), from_page(item)) for key, item in _listed(value)]
        return collections.OrderedDict(pairs)
    if kind == "Error":
        return RuntimeError(value.message)
    if kind == "Date":
        return datetime.datetime.fromtimestamp(value.getTime() / 1000, datetime.UTC)
    if kind != "Object":
        return value
    keys = js.Object.keys(value)
    return _of_map(dotdict((key, from_page(js.Reflect.get(value, key))) for key in keys))


def _listed(value):
    return js.Reflect.get(js.Array, "from")(value)


def _of_map(found):
    kind = found.get("_rtype")
    if kind == "ndarray" and (numpy := _numpy()):
        return numpy.frombuffer(found["_rvalue"], found["_rdtype"]).reshape(found["_rshape"])
    if kind in ("blob", "file"):
        made = io.BytesIO(found["_rvalue"])
        made.name = found.get("_rname", "")
        return made
    return found


def install(api, unblob):
    """Make `imjoy` and `imjoy_rpc`, with what the page offers as their `api`."""
    global _unblob  # noqa: PLW0603 — one page has one plugin
    _unblob = unblob
    offered = from_page(api)
    own = dotdict(offered)
    own["export"] = lambda given, config=None: api.export(to_page(given))
    own["registerCodec"] = lambda config=None, **entries: None
    own["register_codec"] = own["registerCodec"]
    for name in ("imjoy", "imjoy_rpc"):
        module = types.ModuleType(name)
        module.api = own
        module.__version__ = "0.5.59"
        sys.modules[name] = module
    builtins.api = own  # old plugins use it without importing it
