"""Units: what files call them, and what OME-NGFF calls them."""

from __future__ import annotations

import re

_NAMES = {
    "angstrom": ("Å", "\u212b", "ångström"),
    "picometer": ("pm",),
    "nanometer": ("nm",),
    "micrometer": ("µm", "μm", "um", "micron"),  # micro sign, Greek mu
    "millimeter": ("mm",),
    "centimeter": ("cm",),
    "meter": ("m",),
    "kilometer": ("km",),
    "inch": ("in", "inche"),
    "foot": ("ft",),
    "nanosecond": ("ns",),
    "microsecond": ("µs", "μs", "us"),
    "millisecond": ("ms", "msec"),
    "second": ("s", "sec"),
    "minute": ("min",),
    "hour": ("h", "hr"),
    "day": ("d",),
}
_KNOWN = {name: name for name in _NAMES} | {
    spelled: name for name, all_spelled in _NAMES.items() for spelled in all_spelled
}


def unit_called(text: object) -> str | None:
    """The name that OME-NGFF has for a unit (`micrometer` for `µm`), or None for one unknown.

    British spelling, plurals and capitals are understood; `M` is a metre too, for no file means
    a mega anything.
    """
    if not isinstance(text, str):
        return None
    text = text.replace("\\u00B5", "µ").strip().strip("[]()").strip()
    for form in (text, text.lower()):
        for candidate in (form, re.sub(r"metre(s?)$", r"meter\1", form)):
            found = _KNOWN.get(candidate) or _KNOWN.get(candidate.removesuffix("s"))
            if found is not None:
                return found
    return None
