"""Renaming a server or a gateway with all that names it: whole, or not at all.

While it is under way a note says so. What fails is rolled back; what was killed is finished by the same renaming again,
or undone by the opposite one.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from mailctl.config import files
from mailctl.config.shelf import Shelf, parse_toml
from mailctl.domain.gateway import Gateway
from mailctl.domain.names import is_name
from mailctl.domain.problem import Problem
from mailctl.domain.server import Server
from mailctl.errors import ConfigError, ExistsError, MailctlError


class Note:
    """One line each for the old and the new name of a `what` ("gateway"), in a file of its own."""

    def __init__(self, what: str, path: Path) -> None:
        self.what, self.path = what, path

    def read(self) -> tuple[str, str] | None:
        """(old, new) of the renaming under way, or None."""
        try:
            lines = files.read(self.path).text.split("\n")
        except FileNotFoundError:
            return None
        return (lines[0], lines[1]) if len(lines) == 3 and is_name(lines[0]) and is_name(lines[1]) else None

    def write(self, old: str, new: str) -> None:
        """Note that it begins."""
        files.write(self.path, f"{old}\n{new}\n")

    def clear(self) -> None:
        """It is done, or never began."""
        files.remove(self.path)

    def refuse(self, name: str = "") -> None:
        """ConfigError (code rename_unfinished) if a renaming of `name`, or of any, is under way."""
        begun = self.read()
        if begun is None or (name and name not in begun):
            return
        old, new = begun
        raise ConfigError(
            f"The renaming of {self.what} {old!r} to {new!r} is not finished",
            hint=f"If it was interrupted, finish it: mailctl {self.what} rename {old} {new}, "
            f"or undo it: mailctl {self.what} rename {new} {old}",
            code="rename_unfinished",
        )

    def problems(self) -> list[Problem]:
        """The problem that an interrupted renaming is."""
        begun = self.read()
        if begun is None:
            return []
        old, new = begun
        message, fix = f"renaming {old!r} to {new!r} was interrupted", f"mailctl {self.what} rename {old} {new}"
        return [Problem(str(self.path), "", message, fix, new)]


def users_of(name: str, gateways: Shelf[Gateway]) -> tuple[list[Gateway], list[Problem]]:
    """The gateways on the server `name`, and the problems of broken files that may be on it."""
    listing = gateways.listing(holding=name)
    users = [gateway for gateway in listing.objects if gateway.server == name]
    return users, [problem for problem in listing.problems if _may_use(name, Path(problem.file))]


def _may_use(name: str, file: Path) -> bool:
    try:
        text = files.read(file).text
    except (MailctlError, FileNotFoundError):
        return True
    try:
        return parse_toml(text).get("server") in (name, None)
    except ConfigError:
        return name in text


def rename_server(
    old: str, new: str, servers: Shelf[Server], gateways: Shelf[Gateway], note: Note
) -> tuple[list[str], list[str]]:
    """Copy the server, move its gateways, remove the old one; the caller holds the lock.

    Returns the gateways' names, and warnings on their files.

    Interrupted anywhere, each gateway still names a server that is there.
    """
    again = _resumes(note, old, new, servers)
    if again and servers.exists(new) and not servers.exists(old):  # only the note was left
        note.clear()
        return [gateway.name for gateway in users_of(new, gateways)[0]], []
    servers.read(old)
    if servers.exists(new) and not again:
        raise ExistsError(f"There is a server named {new!r} already", hint="`mailctl server list` shows all.")
    users, problems = users_of(old, gateways)
    if problems:
        raise ConfigError(
            f"It can't be told whether this gateway is on {old!r}: {problems[0]}",
            hint=problems[0].fix or "`mailctl config check` shows everything that is wrong.",
        )
    warnings: list[str] = []
    before = {path: files.read(path).text for path in (gateways.path(gateway.name) for gateway in users)}
    try:
        if not again:
            note.write(old, new)
        files.write(servers.path(new), files.read(servers.path(old)).text)
        for gateway in users:
            warnings += gateways.save(replace(gateway, server=new)).warnings
        files.remove(servers.path(old))
    except (MailctlError, OSError):
        if not again and servers.exists(old):
            with suppress(MailctlError, OSError):  # the first error is the one to report; the note stays
                for path, text in before.items():
                    if files.read(path).text != text:
                        files.write(path, text)
                files.remove(servers.path(new))
                note.clear()
        raise
    note.clear()
    return [gateway.name for gateway in users], warnings


class Belongings(Protocol):
    """What goes by a gateway's name outside the configuration. Every method bears being repeated."""

    def copy(self, gateway: Gateway, new: str) -> None:
        """Copy what the new name needs from the start; if it fails, nothing is left under the new name."""

    def carry(self, gateway: Gateway, new: str) -> None:
        """Move the rest; if it fails, all is where it was."""

    def forget(self, gateway: Gateway) -> None:
        """Remove the original of what was copied."""


def rename_gateway(
    old: str,
    new: str,
    gateways: Shelf[Gateway],
    note: Note,
    follow: Callable[[str, str], None],
    belongings: Belongings,
) -> None:
    """Rename the gateway's file between its belongings' copying and moving; the caller holds the lock.

    follow: lets the default gateway be `new` where it was `old`.
    """
    again = _resumes(note, old, new, gateways)
    if not again and gateways.exists(new):
        gateways.read(old)
        raise ExistsError(f"There is a gateway named {new!r} already", hint="`mailctl gateway list` shows all.")
    gateway = replace(gateways.read(old if gateways.exists(old) or not again else new), name=old)
    copied = False
    try:
        if not again:
            note.write(old, new)
        belongings.copy(gateway, new)
        copied = True
        _rename_file(gateways, old, new)
        follow(old, new)
        belongings.carry(gateway, new)
    except (MailctlError, OSError):
        if not again:
            with suppress(MailctlError, OSError):  # the first error is the one to report; the note stays
                _rename_file(gateways, new, old)
                follow(new, old)
                if copied:
                    belongings.forget(replace(gateway, name=new))
                note.clear()
        raise
    belongings.forget(gateway)
    note.clear()


def _resumes(note: Note, old: str, new: str, shelf: Shelf[Server] | Shelf[Gateway]) -> bool:
    """Whether the renaming goes on with, or undoes, the one under way; ConfigError if another one is."""
    begun = note.read()
    if begun is None:
        return False
    if begun not in ((old, new), (new, old)):
        note.refuse()
    if not shelf.exists(old) and not shelf.exists(new):  # both were removed by hand
        note.clear()
        return False
    return True


def _rename_file(shelf: Shelf[Gateway], old: str, new: str) -> None:
    if shelf.exists(old):
        files.rename(shelf.path(old), shelf.path(new))
