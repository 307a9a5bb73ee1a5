"""Address: which operation of which plugin, as people write it: `nuclei.py:nuclei`.

Plugins of napari that are installed have no file that one would name, but a name:
`napari:napari-skimage:gaussian_filter_widget`.
"""

from __future__ import annotations

from dataclasses import dataclass

from opsin.errors import UsageError

NAPARI = "napari:"
"""What the address of an installed plugin of napari begins with."""


@dataclass(frozen=True, slots=True)
class OperationAddress:
    """Where a plugin is, and which of its operations is meant (None: its only one)."""

    source: str
    operation: str | None = None

    @classmethod
    def parse(cls, text: str) -> OperationAddress:
        r"""The address in `text`: a file, or a file, a colon and an operation.

        A colon that a path or URL has for its own reasons (`C:\plugins\a.py`,
        `http://127.0.0.1:80/a.py`) is left to it. `Plugin.operation` finds the operation.

        Raises:
            UsageError: the file or the operation is missing.
        """
        scheme = NAPARI if text.startswith(NAPARI) else ""
        source, colon, operation = text[len(scheme) :].rpartition(":")
        if scheme and not colon:
            source, operation = operation, ""
        elif not colon or "/" in operation or "\\" in operation:
            source, operation = text, ""
        elif not operation:
            raise UsageError(f"{text!r} ends with a colon: add the operation, or drop the colon.")
        elif not operation.isidentifier():
            raise UsageError(f"{operation!r} cannot be an operation: it is no name in Python.")
        if not source.strip():
            raise UsageError(f"{text!r} names no plugin: write file.py:operation.")
        return cls(scheme + source, operation or None)

    def __str__(self) -> str:
        return self.source if self.operation is None else f"{self.source}:{self.operation}"
