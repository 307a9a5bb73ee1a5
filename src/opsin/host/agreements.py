"""Agreements: what the user of a workspace allowed each plugin, kept until it is taken back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

from opsin.errors import UsageError
from opsin.host.permissions import (
    NOTHING,
    Agreement,
    Allowed,
    Answer,
    Asked,
    allowed,
    asked,
    check_wanted,
    folder,
    terms,
)
from opsin.host.registry import Registered
from opsin.host.workspace import Workspace
from opsin.plugins.address import NAPARI
from opsin.plugins.manifest import Plugin

NOT_HERE = (
    "What plugins may is said on the command line of this server: see `opsin plugins permissions`, "
    "and `opsin serve --allow`."
)
CHANGED = "{} has changed meanwhile: look at what it asks for now."


class Agreements:
    """What plugins are allowed. May be used from any thread, and by many processes.

    Args:
        remembered: what was agreed to earlier holds; else only what is given by `give`.
        changeable: whoever uses this may answer; they are the user of the workspace.
    """

    def __init__(
        self, workspace: Workspace, *, remembered: bool = True, changeable: bool = True
    ) -> None:
        self._workspace = workspace
        self._remembered = remembered
        self.changeable = changeable
        self._given: dict[tuple[str, str], Allowed] = {}
        self._listeners: list[Callable[[Registered], object]] = []

    def all(self) -> list[Agreement]:
        """All that hold, of all plugins."""
        return self._workspace.agreements() if self._remembered else []

    def terms(self, registered: Registered) -> str:
        """What an agreement with a plugin is about, as it is now."""
        plugin = _usable(registered)
        return terms(plugin, copied=registered.path.parent == self._workspace.plugins)

    def asked(
        self, registered: Registered, known: Iterable[Agreement] | None = None
    ) -> list[Asked]:
        """What a plugin asks for, and how each stands.

        Args:
            known: what `all` gave; by default it is read now.
        """
        if registered.plugin is None:
            return []
        name, about = identity(registered), self.terms(registered)
        found = self.all() if known is None else known
        mine = [one for one in found if (one.plugin, one.terms) == (name, about)]
        given = self._given.get((name, about), NOTHING)
        extra = [
            Agreement(name, about, one.name, True, given.folders)
            for one in asked(registered.plugin, ())
            if one.state != "always" and given.has(one.name)
        ]
        return asked(registered.plugin, [*mine, *extra])

    def allowed(self, registered: Registered) -> Allowed:
        """What a plugin may use now."""
        return allowed(self.asked(registered))

    def give(self, registered: Registered, more: Allowed) -> None:
        """Allow a plugin, as it is now, something as long as this lives."""
        key = (identity(registered), self.terms(registered))
        self._given[key] = self._given.get(key, NOTHING) | more

    def answer(
        self, registered: Registered, answers: Mapping[str, Answer], about: str | None = None
    ) -> None:
        """Keep what the user answers; what is not allowed any more is not in any version.

        Args:
            answers: by the names of permissions.
            about: the terms that the user was shown; None: those of now.

        Raises:
            UsageError: it asks for something else, or that cannot be kept, or this is not asked
                here.
        """
        if not self.changeable:
            raise UsageError(NOT_HERE)
        plugin, name, now = _usable(registered), identity(registered), self.terms(registered)
        if about not in (None, now):
            raise UsageError(CHANGED.format(plugin.name))
        made = []
        for word, answer in answers.items():
            permission = check_wanted(plugin, word)
            if permission == "files" and answer is True:
                raise UsageError("Name the folders that may be read.")
            folders = () if isinstance(answer, bool) else tuple(folder(str(one)) for one in answer)
            if folders and permission != "files":
                raise UsageError("Only files take folders.")
            made.append(Agreement(name, now, permission, bool(answer), folders))
        self._workspace.agree(made)
        self._tell(registered)

    def forget(self, registered: Registered) -> None:
        """Forget all that was answered of a plugin, if it may be answered here.

        Raises:
            UsageError: that cannot be kept.
        """
        if not self.changeable:
            return
        name = identity(registered)
        self._given = {key: one for key, one in self._given.items() if key[0] != name}
        self._workspace.forget_agreements(name)
        self._tell(registered)

    def listen(self, listener: Callable[[Registered], object]) -> Callable[[], None]:
        """Call `listener` with the plugin after every change made here, in the thread that made it,
        until the returned function is called.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _tell(self, registered: Registered) -> None:
        for listener in list(self._listeners):
            listener(registered)


def identity(registered: Registered) -> str:
    """What names a plugin, whichever way it is called: the place of its file, or its package."""
    if registered.address.startswith(NAPARI):
        return registered.address
    return os.path.realpath(registered.path)


def _usable(registered: Registered) -> Plugin:
    if registered.plugin is None:
        raise UsageError(registered.error or f"{registered.path} is no plugin.")
    return registered.plugin
