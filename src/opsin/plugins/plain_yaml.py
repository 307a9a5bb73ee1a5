"""Plain YAML: a text in YAML as plain values; nothing in it is run, or made an object."""

from __future__ import annotations

from typing import Any

DEEPEST = 40
"""Lists in lists."""


def load(text: str) -> Any:
    """What a text says.

    Raises:
        ValueError: it cannot be understood, or is nested too deeply.
        ImportError: there is no package for YAML here.
    """
    import yaml  # type: ignore[import-untyped]

    class Loader(yaml.SafeLoader):  # type: ignore[misc] # it has no types
        """Plain values only. (That in C crashes where a text is nested deeply.)"""

        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.depth += 1
            if self.depth > DEEPEST:
                raise ValueError("it is nested too deeply")
            try:
                return super().compose_node(parent, index)
            finally:
                self.depth -= 1

    try:
        return yaml.load(text, Loader=Loader)  # it is a safe one
    except yaml.YAMLError as error:
        raise ValueError(error) from error
