"""The note that a renaming leaves while it is under way, so that an interrupted one can be finished."""

from dataclasses import replace
from pathlib import Path

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
            hint=f"If it was interrupted, finish it: mailctl {self.what} rename {old} {new}",
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


def rename_server(old: str, new: str, servers: Shelf[Server], gateways: Shelf[Gateway], note: Note) -> list[str]:
    """Copy the server, move its gateways, remove the old one; the caller holds the lock. Returns the gateways' names.

    Interrupted anywhere, each gateway still names a server that is there, and running it again finishes it.
    """
    again = note.read() == (old, new)
    if again and servers.exists(new) and not servers.exists(old):  # only the note was left
        note.clear()
        return [gateway.name for gateway in users_of(new, gateways)[0]]
    servers.read(old)
    if servers.exists(new) and not again:
        raise ExistsError(f"There is a server named {new!r} already", hint="`mailctl server list` shows all.")
    users, problems = users_of(old, gateways)
    if problems:
        raise ConfigError(
            f"It can't be told whether this gateway is on {old!r}: {problems[0]}",
            hint=problems[0].fix or "`mailctl config check` shows everything that is wrong.",
        )
    target = servers.path(new)
    note.write(old, new)
    files.write(target, files.read(servers.path(old)).text)
    for gateway in users:
        gateways.save(replace(gateway, server=new))
    files.remove(servers.path(old))
    note.clear()
    return [gateway.name for gateway in users]
