"""Hatchling's build hook: a wheel without the web app would install, start and show nothing."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WebAppHook(BuildHookInterface[Any]):
    """Refuses to build a wheel as long as the web app is not built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Look for the built app; an editable install finds it later, when it is there."""
        del build_data
        index = Path(self.root, "src", "opsin", "server", "static", "index.html")
        if version != "editable" and not index.is_file():
            raise SystemExit(
                "The web app is not built (src/opsin/server/static/index.html is missing): "
                "run `make setup` first, or `make wheel`, which does both."
            )
