"""Node: what can be opened inside a zarr, an HDF5 file or a folder, as a tree that is read lazily.

A reader whose files hold several images offers, beside `recognises` and `open`,

* `browse(address: Address) -> Node | None`: the tree at the address; None where it has none.

`opsin.images.readers.browse` asks the readers. Every node but a group can be opened, by its
`address`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

from opsin.errors import OpenError, ReadError

NodeKind: TypeAlias = Literal["group", "image", "labels", "array", "plate", "well"]
"""A group only holds other nodes; an array says nothing of what its axes mean."""

NODES_LIMIT = 500
"""Nodes that are looked at when a whole tree is shown."""
DEPTH_LIMIT = 12


@dataclass(frozen=True)
class Node:
    """One node of such a tree. Nothing is kept open: `children` opens the file again."""

    address: str
    """What opens this node: `opsin view ADDRESS`."""
    path: str
    """Below the node that was browsed, `/`-separated; '' is that node itself."""
    kind: NodeKind
    shape: tuple[int, ...] | None = None
    """Of the finest level; None where it is not known without reading more."""
    dtype: str | None = None
    """Name of the NumPy dtype, such as `uint16`."""
    axes: tuple[str, ...] = ()
    """Names of the axes, one per entry of `shape`; empty where the file says none."""
    note: str = ""
    """What else is worth knowing: `96 wells`, or why it cannot be opened."""
    expand: Callable[[], Sequence[Node]] | None = field(default=None, repr=False, compare=False)
    """Finds the children; None: there are none."""

    @property
    def name(self) -> str:
        """The last part of the path; '' for the node that was browsed."""
        return self.path.rpartition("/")[2]

    @cached_property
    def children(self) -> tuple[Node, ...]:
        """The nodes inside, read when they are first asked for: this may wait for a server.

        Raises:
            OpenError: they cannot be read.
        """
        return () if self.expand is None else tuple(self.expand())


def describe_node(node: Node, limit: int = NODES_LIMIT) -> dict[str, Any]:
    """A node and those inside as a dict that JSON can hold; at most `limit` nodes are looked at.

    Keys: `path`, `kind`, `shape`, `dtype`, `axes`, `note`, `children` (likewise), and where not all
    children are given, their number as `child_count`.

    Raises:
        OpenError: the node cannot be read. (Of those inside, the note says so.)
    """
    left = [limit - 1]

    def described(one: Node, depth: int) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "path": one.path,
            "kind": one.kind,
            "shape": None if one.shape is None else list(one.shape),
            "dtype": one.dtype,
            "axes": list(one.axes),
            "note": one.note,
            "children": [],
        }
        children: tuple[Node, ...] = ()
        if depth < DEPTH_LIMIT and left[0] > 0:
            try:
                children = one.children
            except (OpenError, ReadError) as error:
                if not depth:
                    raise
                entry["note"] = str(error)
        shown = children[: left[0]]
        left[0] -= len(shown)
        entry["children"] = [described(child, depth + 1) for child in shown]
        if len(shown) < len(children):
            entry["child_count"] = len(children)
        return entry

    return described(node, 0)


def describe_node_text(node: Node, name: str, limit: int = NODES_LIMIT) -> str:
    """The same as an indented list for people, without a newline at the end.

    Args:
        name: what the browsed node is called.
    """
    rows: list[tuple[str, str]] = []

    def add(entry: dict[str, Any], title: str, depth: int) -> None:
        facts = [entry["kind"]]
        if entry["shape"] is not None:
            named = zip(entry["axes"], entry["shape"], strict=False)
            sizes = [f"{axis} {size}" for axis, size in named] or [*map(str, entry["shape"])]
            facts.append((" · " if entry["axes"] else " × ").join(sizes))
        facts += [fact for fact in (entry["dtype"], entry["note"]) if fact]
        rows.append(("  " * depth + title, ", ".join(facts)))
        for child in entry["children"]:
            add(child, child["path"].rpartition("/")[2], depth + 1)
        if "child_count" in entry:
            more = entry["child_count"] - len(entry["children"])
            rows.append(("  " * (depth + 1) + f"… {more} more", ""))

    add(describe_node(node, limit), name, 0)
    width = max(len(title) for title, _ in rows)
    return "\n".join(f"{title.ljust(width)}  {facts}".rstrip() for title, facts in rows)
