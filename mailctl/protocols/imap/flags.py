"""Flags as commands carry them (RFC 9051 section 9, flag and flag-keyword)."""

from collections.abc import Iterable

from mailctl.domain.pattern import pattern
from mailctl.errors import UsageError
from mailctl.protocols import arguments

_FLAG = pattern(r"\\?[!#$&'+-\[\]-z|}~]+")  # printable ASCII but ( ) { % * " and the backslash
_RECENT = "\\recent"


def format_flags(flags: Iterable[str]) -> bytes:
    """Flags as a list's inside, each once: `$Label1 \\Seen`. \\Recent is left out: nobody can set it.

    UsageError (code bad_flag, bad_argument) for what can't be a flag; nothing was sent then.
    """
    return " ".join(_checked(flag) for flag in sorted(set(flags)) if flag.lower() != _RECENT).encode()


def _checked(flag: str) -> str:
    if not _FLAG.fullmatch(arguments.word(flag, "flag")):
        raise UsageError(f"{flag!r} can't be a flag", code="bad_flag")
    return flag
