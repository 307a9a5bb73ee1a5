"""ImJoy file, as it is run: its manifest, its config for one tag, and its blocks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import msgspec

from opsin.errors import PluginError
from opsin.plugins.formats.imjoy_html import described
from opsin.plugins.formats.imjoy_html.blocks import Block, read_blocks
from opsin.plugins.formats.imjoy_html.config import Config, read_config
from opsin.plugins.manifest import Plugin

PYTHON_KINDS = ("native-python", "web-python")
WINDOWS = ("window", "rpc-window")
"""What is begun anew for each window of it."""


@dataclass(frozen=True, slots=True)
class ImjoyFile:
    """The text of a plugin, read for one of its tags."""

    plugin: Plugin
    config: Config
    blocks: tuple[Block, ...]
    text: str

    @classmethod
    def of(cls, text: str, source: str, tag: str = "") -> ImjoyFile:
        """The plugin in a text, which `source` names.

        Raises:
            PluginError: it is none, or has no such tag.
        """
        text = text.removeprefix("\ufeff")
        blocks = read_blocks(text)
        config = read_config(blocks, tag)
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
        return cls(described(blocks, config, source, digest), config, tuple(blocks), text)

    def named(self, source: str) -> ImjoyFile:
        """The same file, which is called so."""
        return replace(self, plugin=msgspec.structs.replace(self.plugin, source=source))

    def for_tag(self, tag: str) -> ImjoyFile:
        """The same file, for another of its tags.

        Raises:
            PluginError: it has no such tag, or is nothing that runs with it.
        """
        config = read_config(self.blocks, tag)
        plugin = described(self.blocks, config, self.plugin.source, self.plugin.digest)
        return replace(self, plugin=plugin, config=config)

    @property
    def name(self) -> str:
        """Of the plugin."""
        return self.config.name

    @property
    def kind(self) -> str:
        """Its type, in ImJoy's word."""
        return self.config.type

    @property
    def is_window(self) -> bool:
        """Each window of it is a frame of its own."""
        return self.kind in WINDOWS

    @property
    def is_passive(self) -> bool:
        """It exports nothing."""
        return bool(self.config.entries.get("passive"))

    @property
    def runnable(self) -> bool:
        """Whether a user runs it; if not, it is for other plugins."""
        return self.config.entries.get("runnable") is not False and self.kind != "collection"

    def of_name(self, name: str) -> Iterator[Block]:
        """Its blocks of a name, those for other tags left out."""
        for block in self.blocks:
            if block.name == name and block.attributes.get("tag", "") in ("", self.config.tag):
                yield block

    def scripts(self) -> list[Block]:
        """What is executed, in order.

        Raises:
            PluginError: there is nothing to execute.
        """
        found = list(self.of_name("script"))
        if not found and self.kind in PYTHON_KINDS:
            raise PluginError(f"{self.name} has no <script> for this tag.")
        return found

    def attachment(self, name: str) -> str | None:
        """The text of an attachment; None: there is none of that name."""
        found = (one for one in self.blocks if one.name == "attachment")
        return next((one.content for one in found if one.attributes.get("name") == name), None)

    @property
    def lang(self) -> str:
        """Of its scripts."""
        first = next(self.of_name("script"), None)
        return (first.attributes.get("lang") if first else "") or "javascript"
