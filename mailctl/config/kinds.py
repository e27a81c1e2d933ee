"""The kinds of value that configuration files hold: how each is read, checked and written. Pure."""

import re
from enum import StrEnum
from typing import Any

from mailctl.config.schema import Kind, WrongValueError
from mailctl.domain.address import parse_address
from mailctl.domain.gateway import SecretSource, SourceKind
from mailctl.domain.names import NAME
from mailctl.domain.server import check_host, parse_fingerprint
from mailctl.errors import UsageError

MOST_TEXT = 1000
MOST_ITEMS = 1000


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        raise WrongValueError
    if not value.isprintable() and re.search(_CONTROL, value):
        raise UsageError(f"{value[:60]!r} has control characters")
    return value


_CONTROL = "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"


def _some_text(value: Any) -> str:
    text = _text(value)
    if not text.strip():
        raise WrongValueError
    return text


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise WrongValueError
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise WrongValueError
    return value


def _address(value: Any) -> str:
    text = _text(value)
    _check_idna(parse_address(text).domain)
    return text


def _host(value: Any) -> str:
    text = check_host(_text(value))
    _check_idna(text)
    return text


def _check_idna(domain: str) -> None:
    """UsageError for a non-ASCII domain that has no A-label form (RFC 5891)."""
    if domain.isascii():
        return
    import idna

    try:
        idna.encode(domain, uts46=True)
    except idna.IDNAError as error:
        raise UsageError(f"{domain!r} is not an internationalised domain name: {error}", code="bad_domain") from error


def _secret(value: Any) -> SecretSource:
    if value in ("keyring", "encrypted", "oauth"):
        return SecretSource(SourceKind(value))
    if isinstance(value, dict) and "oauth" in value:
        return _oauth(value)
    if not isinstance(value, dict) or len(value) != 1:
        raise WrongValueError
    ((kind, argument),) = value.items()
    if kind == "command":
        words = tuple(_word(word) for word in argument) if isinstance(argument, list) else ()
        if not words or not words[0]:
            raise UsageError("command must be a list of words", hint='Write it like {command = ["pass", "mail/x"]}.')
        return SecretSource(SourceKind.COMMAND, words)
    if kind == "env":
        if not isinstance(argument, str) or not re.fullmatch(_VARIABLE, argument):
            raise UsageError("env must be the name of an environment variable")
        return SecretSource(SourceKind.ENV, (argument,))
    if kind == "file":
        return SecretSource(SourceKind.FILE, (_some_text(argument),))
    raise WrongValueError


def _oauth(value: dict[str, Any]) -> SecretSource:
    """`{oauth = "NAME"}`, perhaps with `store`; the usual is written `"oauth"`."""
    name, store = value["oauth"], value.get("store", "keyring")
    if not isinstance(name, str) or (name and not NAME.fullmatch(name)):
        raise UsageError("oauth must be the name of an application", hint='Write it like {oauth = "microsoft"}.')
    if store not in ("keyring", "encrypted"):
        raise UsageError("store must be keyring or encrypted")
    if unknown := sorted(value.keys() - {"oauth", "store"}):
        raise UsageError(f"unknown key {unknown[0][:60]!r}", hint='Beside oauth there is only store = "encrypted".')
    return SecretSource(SourceKind.OAUTH, () if (name, store) == ("", "keyring") else (name, store))


def _no_token(value: Any) -> SecretSource:
    source = _secret(value)
    if source.kind is SourceKind.OAUTH:
        raise WrongValueError
    return source


def _elsewhere(value: Any) -> SecretSource:
    source = _no_token(value)
    if source.store is not None:
        raise WrongValueError
    return source


_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]{0,254}"


def _word(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value or len(value) > 10000:
        raise UsageError("command must be a list of words without NUL characters")
    return value


def _write_secret(source: SecretSource) -> Any:
    match source.kind:
        case SourceKind.COMMAND:
            return {"command": list(source.argument)}
        case SourceKind.ENV | SourceKind.FILE:
            return {source.kind.value: source.argument[0]}
        case SourceKind.OAUTH if source.argument:
            name, store = source.argument
            return {"oauth": name} if store == "keyring" else {"oauth": name, "store": store}
        case _:
            return source.kind.value


def integer(least: int, most: int) -> Kind:
    """A whole number from `least` to `most`."""

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise WrongValueError
        return value

    return Kind(f"a whole number from {least} to {most}", read)


def choice(options: type[StrEnum], *allowed: StrEnum) -> Kind:
    """One of the values of an enumeration, or of those `allowed`."""
    values = [member.value for member in allowed or options]

    def read(value: Any) -> StrEnum:
        if not isinstance(value, str) or value not in values:
            raise WrongValueError
        return options(value)

    return Kind(f"one of {', '.join(values)}", read, lambda member: member.value)


def word(*allowed: str) -> Kind:
    """One of a few words."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise WrongValueError
        return value

    return Kind(f"one of {', '.join(allowed)}", read)


def several(kind: Kind) -> Kind:
    """A list of a kind."""

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) > MOST_ITEMS:
            raise WrongValueError
        try:
            return tuple(kind.read(item) for item in value)
        except WrongValueError:
            raise UsageError(f"each item must be {kind.expected}") from None

    return Kind(f"a list, each item {kind.expected}", read, lambda items: [kind.write(item) for item in items])


# domain.units is imported where it is used: most files have neither sizes nor times, and every start counts


def _number_or_text(value: Any) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise WrongValueError
    return value


def _size(value: Any) -> int:
    from mailctl.domain.units import size_octets

    return size_octets(_number_or_text(value))


def _write_size(octets: int) -> str | int:
    from mailctl.domain.units import size_text

    return size_text(octets)


def _interval(value: Any) -> int:
    from mailctl.domain.units import seconds_of

    seconds = seconds_of(_number_or_text(value))
    if not 1 <= seconds <= 31_622_400:
        raise WrongValueError
    return seconds


def _write_interval(seconds: int) -> str | int:
    from mailctl.domain.units import seconds_text

    return seconds_text(seconds)


def _since(value: Any) -> str:
    from datetime import date, datetime

    from mailctl.domain.units import check_since

    if isinstance(value, date) and not isinstance(value, datetime):  # TOML has dates of its own
        return value.isoformat()
    return check_since(_text(value))


TEXT = Kind("text", _text)
SOME_TEXT = Kind("text that isn't empty", _some_text)
FLAG = Kind("true or false", _flag)
NAME_OF_SERVER = Kind("the name of a server", _name)
IDENTIFIER = Kind("letters, digits or . _ @ + -", _name)
ADDRESS = Kind("an e-mail address", _address)
HOST = Kind("a host name or an IP address", _host)
PORT = integer(1, 65535)
COUNT = integer(1, 10**9)
SIZE = Kind("a size such as 25MB", _size, _write_size)
INTERVAL = Kind("a time such as 15m, at most 366 days", _interval, _write_interval)
SINCE = Kind("a date such as 2026-01-31 or an age such as 90d", _since)
SECRET = Kind(
    '"keyring", "encrypted", "oauth", {oauth = "..."}, {command = [...]}, {env = "..."} or {file = "..."}',
    _secret,
    _write_secret,
    private=True,
)
STATIC_SECRET = Kind(
    '"keyring", "encrypted", {command = [...]}, {env = "..."} or {file = "..."}', _no_token, _write_secret, private=True
)
"""The same for what is no token: the client secret with which tokens are had."""
FOREIGN_SECRET = Kind('{command = [...]}, {env = "..."} or {file = "..."}', _elsewhere, _write_secret, private=True)
"""The same for what mailctl only reads: a service account's key."""
FINGERPRINT = Kind("sha256: and 64 hex digits", lambda value: parse_fingerprint(_text(value)), lambda h: f"sha256:{h}")
