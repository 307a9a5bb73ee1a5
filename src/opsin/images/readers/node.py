"""Node: what can be opened inside a zarr, an HDF5 file or a folder, as a tree that is read lazily.

A reader whose files hold several images offers, beside `recognises` and `open`,

* `browse(address: Address) -> Node | None`: the tree at the address; None where it has none.

`opsin.images.readers.browse` asks the readers. Every node but a group can be opened, by its
`address`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
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

    def openable(self, limit: int = NODES_LIMIT) -> Iterator[Node]:
        """The nodes inside that can be opened, nearest first, among the first `limit` nodes.

        What is inside of those is left out. Raises as `children` does.
        """
        groups = deque((self,))
        while groups:
            for node in groups.popleft().children:
                if not limit:
                    return
                limit -= 1
                if node.kind == "group":
                    groups.append(node)
                elif node.shape is not None or not node.note:
                    yield node


def describe_node(node: Node, limit: int = NODES_LIMIT) -> dict[str, Any]:
    """A node and those inside as a dict that JSON can hold; at most `limit` nodes, nearest first.

    Keys: `path`, `kind`, `shape`, `dtype`, `axes`, `note`, `children` (likewise), and `left_out`:
    how many children are not given, or null where nobody looked.

    Raises:
        OpenError: the node cannot be read. (Of those inside, the note says so.)
    """
    root = _entry(node)
    waiting = deque([(node, root, 0)])
    limit -= 1
    while waiting:
        one, entry, depth = waiting.popleft()
        # The wells of a plate are not looked into by the way: there may be thousands.
        if not limit or depth >= DEPTH_LIMIT or (depth and one.kind == "plate"):
            continue
        try:
            children = one.children
        except (OpenError, ReadError) as error:
            if not depth:
                raise
            entry["note"], entry["left_out"] = str(error), 0
            continue
        shown = children[:limit]
        limit -= len(shown)
        entry["left_out"] = len(children) - len(shown)
        entry["children"] = [_entry(child) for child in shown]
        waiting.extend(
            (child, described, depth + 1)
            for child, described in zip(shown, entry["children"], strict=True)
        )
    return root


def _entry(node: Node) -> dict[str, Any]:
    return {
        "path": node.path,
        "kind": node.kind,
        "shape": None if node.shape is None else list(node.shape),
        "dtype": node.dtype,
        "axes": list(node.axes),
        "note": node.note,
        "children": [],
        "left_out": 0 if node.expand is None else None,
    }


def describe_node_text(node: Node, name: str, limit: int = NODES_LIMIT) -> str:
    """The same as an indented list for people, without a newline at the end.

    Args:
        name: what the browsed node is called.
    """
    rows: list[tuple[str, str]] = []

    def add(entry: dict[str, Any], title: str, depth: int) -> None:
        rows.append(("  " * depth + title, _facts(entry)))
        for child in entry["children"]:
            add(child, child["path"].rpartition("/")[2], depth + 1)
        if entry["left_out"] != 0 and entry["kind"] != "plate":
            rows.append(("  " * (depth + 1) + f"{entry['left_out'] or '…'} more", ""))

    add(describe_node(node, limit), name, 0)
    width = max((len(title) for title, _ in rows[1:]), default=0)
    lines = [f"{title.ljust(width)}  {facts}".rstrip() for title, facts in rows[1:]]
    return "\n".join(["  ".join(rows[0]), *lines])


def _facts(entry: dict[str, Any]) -> str:
    facts = [entry["kind"]]
    if entry["shape"] is not None:
        named = zip(entry["axes"], entry["shape"], strict=False)
        sizes = [f"{axis} {size}" for axis, size in named] or [*map(str, entry["shape"])]
        facts.append((" · " if entry["axes"] else " × ").join(sizes))
    return ", ".join([*facts, *(fact for fact in (entry["dtype"], entry["note"]) if fact)])
