"""Text: names from outside, made fit to be shown."""

from __future__ import annotations

import re

_SURROGATES = re.compile("[\ud800-\udfff]")


def shown(name: str) -> str:
    """`name` as text that every terminal, JSON and socket takes.

    Python holds bytes of a file name that are not UTF-8 as lone surrogates, and JSON may spell
    them; no encoding takes them. Each becomes U+FFFD. The file is opened by its own name.
    """
    return _SURROGATES.sub("\ufffd", name)
