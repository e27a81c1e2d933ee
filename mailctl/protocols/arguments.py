"""The one argument validator: whatever goes into a protocol command passes here first.

A line break in an argument would end the command and begin another one, which the server then executes; NUL ends
strings in many servers. The libraries below check neither, so nothing reaches a command line but by these functions.
No message quotes the value: it may be a password.
"""

from mailctl.errors import UsageError

MOST = 8000
"""Octets that an argument may have: room for a long OAuth token, less than any server's line limit with literals."""
_FORBIDDEN = {"\r": "a line break", "\n": "a line break", "\0": "a NUL character"}


def argument(value: str, what: str, *, most: int = MOST) -> str:
    """`value` unchanged if it may stand in a command as UTF-8: no CR, LF, NUL, lone surrogate, at most `most` octets.

    what: the thing it is, for the message ("user name"). Raises UsageError (code bad_argument).
    """
    for character, name in _FORBIDDEN.items():
        if character in value:
            raise _refusal(f"The {what} has {name} in it")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise _refusal(f"The {what} has characters that UTF-8 can't carry") from None
    if size > most:
        raise _refusal(f"The {what} is longer than {most} octets")
    return value


def octets(value: bytes, what: str, *, most: int = MOST) -> bytes:
    """Like `argument`, for octets that are sent as they are (a folder name as the server spells it)."""
    for character, name in _FORBIDDEN.items():
        if character.encode() in value:
            raise _refusal(f"The {what} has {name} in it")
    if len(value) > most:
        raise _refusal(f"The {what} is longer than {most} octets")
    return value


def ascii_argument(value: str, what: str, *, most: int = MOST) -> str:
    """Like `argument`, where the command takes printable ASCII only (RFC 5321 and RFC 1939 arguments, IMAP atoms)."""
    argument(value, what, most=most)
    if not value.isascii() or not value.isprintable():
        raise _refusal(f"The {what} has characters outside printable ASCII")
    return value


def word(value: str, what: str, *, most: int = MOST) -> str:
    """Like `ascii_argument`, and not empty and without spaces: one word of a command line."""
    if not ascii_argument(value, what, most=most) or " " in value:
        raise _refusal(f"The {what} must be one word")
    return value


def _refusal(message: str) -> UsageError:
    return UsageError(message, hint="Nothing was sent.", code="bad_argument")
