"""A folder of objects, one TOML file each: a broken file breaks one object and not the rest."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from mailctl.config import files
from mailctl.config.schema import KeyProblem
from mailctl.domain.names import check_name, is_name, not_found
from mailctl.domain.problem import Problem
from mailctl.domain.record import dataclass
from mailctl.errors import ConfigError, ExistsError, MailctlError, StorageError, UsageError


class Named(Protocol):
    """What a shelf holds."""

    @property
    def name(self) -> str:
        """Its name, and its file's."""


T = TypeVar("T", bound=Named)


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """The good objects, sorted by name, and what is wrong with the others."""

    objects: list[T]
    problems: list[Problem]


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a save. changed: whether the file was written. backup: where comments were lost, the old file."""

    path: Path
    changed: bool
    backup: Path | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user must be told."""
        return (f"Comments in {self.path} were lost; the old file is kept as {self.backup}",) if self.backup else ()


class Shelf(Generic[T]):
    """Objects called `what` in `folder`."""

    def __init__(
        self,
        what: str,
        folder: Path,
        parse: Callable[[str, Mapping[str, Any]], tuple[T, list[KeyProblem]]],
        dump: Callable[[T], dict[str, Any]],
        names_secrets: Callable[[T], bool] = lambda thing: False,
    ) -> None:
        """parse: (name, TOML tables) → (object, problems). dump: the reverse.

        names_secrets: whether an object's file says where a password comes from, which asks more of the file
        (`files.distrust`).
        """
        self.what, self.folder = what, folder
        self.parse, self.dump, self.names_secrets = parse, dump, names_secrets

    def path(self, name: str) -> Path:
        """The file of an object; UsageError for what can't be a name."""
        return self.folder / f"{check_name(name, self.what)}.toml"

    def names(self) -> list[str]:
        """The names that have a file, good or broken, sorted."""
        return [name for file in files.names(self.folder) if is_name(name := file[:-5])]

    def exists(self, name: str) -> bool:
        """Whether there is a file of that name, good or broken."""
        return os.path.lexists(self.path(name))

    def read(self, name: str) -> T:
        """One object. NotFoundError, or ConfigError with the first thing wrong, or StorageError."""
        path = self.path(name)
        try:
            content = files.read(path)
        except FileNotFoundError:
            raise not_found(self.what, name, self.names()) from None
        found, problems = self._judge(path, content)
        if found is None:
            first = problems[0]
            raise ConfigError(
                str(first), hint=first.fix or "`mailctl config check` shows everything that is wrong.", code="bad_file"
            )
        return found

    def listing(self, holding: str = "") -> Listing[T]:
        """All objects. holding: leave out, unread by the parser, files whose text can't hold this value."""
        objects: list[T] = []
        problems: list[Problem] = []
        for found, wrong in self._each(holding):
            objects += [] if found is None else [found]
            problems += wrong
        return Listing(objects, problems)

    def save(self, thing: T, *, new: bool = False) -> Saved:
        """Write one object, as a whole and durably; the caller holds the lock.

        new: ExistsError if the name is taken. UsageError for a value that the file could not hold.
        """
        path = self.path(thing.name)
        text = self.text(thing)
        try:
            old = files.read(path).text
        except FileNotFoundError:
            files.write(path, text)
            return Saved(path, changed=True)
        if new:
            raise ExistsError(
                f"There is a {self.what} named {thing.name!r} already",
                hint=f"`mailctl {self.what} edit {thing.name}` changes it.",
            )
        parsed = self._parse_text(path, old)
        if not parsed[1] and parsed[0] == thing:
            return Saved(path, changed=False)
        backup = path.with_name(path.name + "~") if files.other_comments(old) else None
        if backup is not None:
            files.write(backup, old)
        files.write(path, files.leading_comments(old) + text)
        return Saved(path, changed=True, backup=backup)

    def text(self, thing: T) -> str:
        """The file of an object, proven to read back as the same object. UsageError for values out of range."""
        import tomli_w

        data = self.dump(thing)
        back, problems = self.parse(thing.name, data)
        if problems:
            raise UsageError(f"{problems[0].key or self.what}: {problems[0].message}", hint=problems[0].fix)
        if back != thing:
            raise AssertionError(f"{self.what} {thing.name} doesn't survive being written")
        try:
            return tomli_w.dumps(data)
        except UnicodeEncodeError as error:
            raise UsageError("that value is not text that a file can hold") from error

    def _each(self, holding: str) -> Iterator[tuple[T | None, list[Problem]]]:
        needle = holding.encode()
        for file in files.names(self.folder):
            path = self.folder / file
            if not is_name(file[:-5]):
                fix = f"Rename it; a {self.what} name has letters, digits or . _ @ + - only."
                yield None, [Problem(str(path), "", f"{file!r} is not the name of a {self.what}", fix)]
                continue
            try:
                content = files.read(path)
            except FileNotFoundError:
                continue  # removed while we looked
            except MailctlError as error:
                yield None, [Problem(str(path), "", error.message.removeprefix(f"{path} "), error.hint, file[:-5])]
                continue
            if not needle or needle in (raw := content.text.encode()) or b"\\" in raw:
                yield self._judge(path, content)

    def _judge(self, path: Path, content: files.Content) -> tuple[T | None, list[Problem]]:
        found, wrong = self._parse_text(path, content.text)
        name = path.name[:-5]
        if found is not None:
            try:
                reason, fix = files.distrust(path, content, commands=self.names_secrets(found))
            except OSError as error:
                raise StorageError(f"{path}: {error.strerror}") from error
            if reason:
                wrong = [KeyProblem("", f"is not used: {reason}", fix), *wrong]
        return None if wrong else found, [Problem(str(path), one.key, one.message, one.fix, name) for one in wrong]

    def _parse_text(self, path: Path, text: str) -> tuple[T | None, list[KeyProblem]]:
        try:
            return self.parse(path.name[:-5], parse_toml(text))
        except ConfigError as error:
            return None, [KeyProblem("", error.message, error.hint)]


def parse_toml(text: str) -> dict[str, Any]:
    """TOML tables of a text; ConfigError saying where it stops being TOML."""
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not TOML: {error}", hint=_toml_hint(text, str(error))) from error
    except RecursionError as error:
        raise ConfigError("is not usable: it is nested too deeply") from error
    except ValueError as error:  # a date or a number that TOML's grammar has and Python's types don't
        raise ConfigError(f"is not TOML: {error}") from error


def _toml_hint(text: str, said: str) -> str:
    """What to do where a value is text without quotes, the commonest fault; "" for any other."""
    import re

    place = re.match(r"Invalid value \(at line (\d+), column (\d+)\)", said)
    if place is None:
        return ""
    line, column = int(place[1]) - 1, int(place[2]) - 1
    lines = text.replace("\r\n", "\n").split("\n")
    return "Text stands in double quotes in TOML." if lines[line][column : column + 1].isalpha() else ""
