"""ImJoy file: a typed Python file as an ImJoy plugin (`.imjoy.html`, native-python), and back.

The plugin's functions become methods that other plugins call with arrays; where there is one
operation, the plugin's button runs it on the data that it is given, with a form in ImJoy's way. The
typed file lies in it as an attachment, so that it comes back as it was. What was written for ImJoy
is converted by `opsin.plugins.conversion.imjoy_python`.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
import shlex
from typing import Any

from opsin.errors import PluginError
from opsin.plugins.conversion import opsin_names
from opsin.plugins.conversion.converted import Converted
from opsin.plugins.conversion.npe2_package import bounds_of, requirements_with
from opsin.plugins.conversion.python_source import Edit, PythonSource
from opsin.plugins.imjoy_needs import needs
from opsin.plugins.manifest import Operation, Parameter, Plugin

API_VERSION = "0.1.8"
ATTACHMENT = "typed.py.base64"
_FOUND = re.compile(
    rf'<attachment name="{re.escape(ATTACHMENT)}">\s*([A-Za-z0-9+/=\s]*)</attachment>'
)

_CONFIG = re.compile(r"<config lang=\"json\">([\s\S]*?)</config>")

_PLUGIN = '''

class ImJoyPlugin:
    """The operations as methods."""

    async def setup(self):
        pass

    async def run(self, ctx):
        """Run the only operation on the data that the plugin is given, or on what `name` says."""
        config, data = dict(ctx.get("config") or {}), ctx.get("data")
        name = config.pop("operation", None) or next(iter(_OPERATIONS))
        inputs = data if isinstance(data, dict) else {_OPERATIONS[name]["inputs"][0]: data}
        known = _OPERATIONS[name]["inputs"]
        return _call(name, **{k: v for k, v in inputs.items() if k in known}, **config)


def _call(name, **values):
    about = _OPERATIONS[name]
    for parameter, kind in about["numbers"].items():
        if values.get(parameter) is not None:
            values[parameter] = (int if kind == "integer" else float)(values[parameter])
    for parameter, kind in about["enums"].items():
        if values.get(parameter) is not None:
            values[parameter] = globals()[kind][values[parameter]]
    for parameter in about["truths"]:
        if isinstance(values.get(parameter), str):
            values[parameter] = values[parameter] == "yes"
    return globals()[name](**values)


def _method(name):
    def method(self, *inputs, **values):
        return _call(name, **dict(zip(_OPERATIONS[name]["inputs"], inputs)), **values)

    method.__name__ = name
    return method


for _name in _OPERATIONS:
    setattr(ImJoyPlugin, _name, _method(_name))

api.export(ImJoyPlugin())
'''


def to_imjoy(source: PythonSource) -> Converted:
    """The file.

    Raises:
        PluginError: no operation of it can be called by ImJoy.
    """
    plugin = source.plugin
    left_out = [f"ImJoy does not know the permission {one.name}." for one in plugin.permissions]
    kept: list[Operation] = []
    for operation in plugin.operations:
        if operation.metadata:
            left_out.append(f"{operation.name} asks for Metadata, which ImJoy does not have.")
            continue
        kept.append(operation)
        axes = next((one.axes for one in operation.inputs if one.axes), None) or "yx"
        left_out.append(
            f"{operation.name} works on the axes {axes}: ImJoy hands it an array as it is."
        )
    if not kept:
        raise PluginError(f"{plugin.source} has no operation that ImJoy could call: {left_out[-1]}")
    ui = _ui(kept[0]) if len(kept) == 1 else plugin.description or plugin.name
    config: dict[str, Any] = {
        "name": re.sub(r"/", " ", plugin.name),
        "type": "native-python",
        "version": plugin.version,
        "api_version": API_VERSION,
        "description": plugin.description[:256],
        "tags": [],
        "ui": ui,
        "inputs": None,
        "outputs": None,
        "flags": [],
        "icon": "extension",
        "env": [],
        "requirements": _requirements(plugin),
        "dependencies": [],
    }
    about = {
        one.name: {
            "inputs": [given.name for given in one.inputs],
            "numbers": {p.name: p.type for p in one.parameters
                        if p.type in ("integer", "number") and not p.enum},
            "enums": {p.name: p.enum_class for p in one.parameters if p.enum_class},
            "truths": [p.name for p in one.parameters if p.type == "boolean"],
        }
        for one in kept
    }  # fmt: skip
    future, body = _without_future(source)
    script = "\n".join(
        (
            *future,
            "import sys",
            "import types as _types",
            "",
            "from imjoy_rpc import api",
            "",
            "try:",
            "    import opsin.types",
            "except ImportError:",
            "    _opsin = sys.modules['opsin'] = _types.ModuleType('opsin')",
            "    sys.modules['opsin.types'] = sys.modules['opsin.errors'] = _opsin",
            f"    exec(r'''{opsin_names.ALONE}''', _opsin.__dict__)",
            "    _opsin.show = lambda share: share is not None and api.showProgress(share)",
            "",
            body.rstrip("\n"),
            "",
            f"_OPERATIONS = {about!r}",
        )
    )
    if "</script" in f"{script}".lower():
        raise PluginError("A text of the plugin ends a script (</script): write it in two parts.")
    text = (
        f'<docs lang="markdown">\n{html.escape(_docs(source, kept))}\n</docs>\n\n'
        f'<config lang="json">\n{_json(config)}\n</config>\n\n'
        f'<script lang="python">\n{script}{_PLUGIN}</script>\n\n'
        f'<attachment name="{ATTACHMENT}">\n{_packed(source.text)}\n</attachment>\n'
    )
    return Converted({"": text}, tuple(left_out))


def from_imjoy(text: str, source: str) -> PythonSource | None:
    """The typed Python file that an ImJoy file was made of; None if it was made of none.

    Raises:
        PluginError: it is damaged.
    """
    found = _FOUND.search(text)
    if found is None:
        return None
    try:
        typed = base64.b64decode("".join(found[1].split()), validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise PluginError(f"The typed file in {source} is damaged: {error}.") from error
    return PythonSource.of(typed, source)


def asked_for_since(text: str, source: PythonSource) -> tuple[str, ...]:
    """What an ImJoy file asks for that the typed file in it does not, as somebody has changed it in
    ImJoy: a sentence for each.
    """
    found = _CONFIG.search(text)
    try:
        config = json.loads(found[1]) if found else {}
        asked = needs(config.get("requirements"), config.get("env"))
    except (ValueError, RecursionError, AttributeError):
        return ()
    except PluginError as error:
        return (str(error),)
    known = needs(_requirements(source.plugin))
    more = [one for one in asked.requirements if one not in known.requirements]
    said = [
        f"The file asks for {one}, its typed file does not: add it to its header." for one in more
    ]
    said += [f"The repository {one.url} is asked for." for one in asked.repositories]
    return tuple(said)


def _requirements(plugin: Plugin) -> list[str]:
    """ImJoy hands them to a shell."""
    return [f"pip: {shlex.quote(one)}" for one in requirements_with(plugin, "numpy")]


def _ui(operation: Operation) -> str:
    """The form in ImJoy's way: fields as objects in a text."""
    parts = []
    for one in operation.parameters:
        options = ", ".join(f"{key}: {_joy(value)}" for key, value in _field(one).items())
        parts.append(f"{one.title}{f' ({one.unit})' if one.unit else ''} {{{options}}}")
    return "<br>".join(parts) or operation.title


def _field(one: Parameter) -> dict[str, Any]:
    found: dict[str, Any] = {"id": one.name}
    default = None if one.required else one.default
    if one.enum:
        found |= {"type": "choose", "options": list(one.enum)}
    elif one.type == "boolean":
        found |= {"type": "choose", "options": ["yes", "no"]}
        default = "yes" if default else "no"
    elif one.type in ("integer", "number"):
        low, high = bounds_of(one)
        found |= {"type": "number", "min": low, "max": high}
        if one.step:
            found["step"] = one.step
    else:
        found["type"] = "string"
    if default is not None:
        found["placeholder"] = default
    return found


def _joy(value: Any) -> str:
    """A value in JSON5, whose texts may stand in single quotes: braces would end the field."""
    if isinstance(value, str):
        plain = value.replace("\\", "").replace("'", "\u2019").replace("{", "(").replace("}", ")")
        return f"'{plain}'"
    if isinstance(value, list):
        return f"[{', '.join(map(_joy, value))}]"
    return json.dumps(value)


def _json(config: dict[str, Any]) -> str:
    """JSON that holds nothing that could be taken for a tag."""
    text = json.dumps(config, indent=2, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


def _docs(source: PythonSource, operations: list[Operation]) -> str:
    plugin = source.plugin
    lines = [f"# {plugin.name}", "", plugin.description, ""]
    for one in operations:
        lines += [f"## {one.title}", "", one.description, ""]
        lines += [f"* {p.name}: {p.description or p.title}" for p in one.parameters]
        lines.append("")
    return "\n".join(lines).strip()


def _without_future(source: PythonSource) -> tuple[list[str], str]:
    """What of a file has to stand first, and the rest."""
    found = source.future()
    body = source.rewritten([Edit.of(node, "pass") for node in found])
    return [source.segment(node) for node in found], body


def _packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
