"""A gateway as a file: `gateways/NAME.toml`, both ways. Pure."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from mailctl.config import kinds, schema
from mailctl.config.schema import KeyProblem, Spec
from mailctl.domain.gateway import Gateway, Inbound, Login, Mode, Outbound, SecretSource, SourceKind
from mailctl.domain.server import Protocol

INBOUND: Spec = {
    "enabled": kinds.FLAG,
    "protocol": kinds.choice(Protocol, Protocol.IMAP, Protocol.POP3),
    "mode": kinds.choice(Mode),
    "folders": kinds.several(kinds.SOME_TEXT),
    "keep_on_server": kinds.FLAG,
    "delete_after": kinds.INTERVAL,
    "mark_seen": kinds.FLAG,
    "propagate_deletes": kinds.FLAG,
    "since": kinds.SINCE,
    "max_per_run": kinds.COUNT,
    "max_size": kinds.SIZE,
    "interval": kinds.INTERVAL,
    "maildir": kinds.SOME_TEXT,
}
OUTBOUND: Spec = {
    "enabled": kinds.FLAG,
    "upload_sent": kinds.FLAG,
    "attachment_limit": kinds.SIZE,
    "daily_limit": kinds.COUNT,
}
SPEC: Spec = {
    "server": kinds.NAME_OF_SERVER,
    "email": kinds.ADDRESS,
    "owner": kinds.TEXT,
    "shared": kinds.FLAG,
    "display_name": kinds.TEXT,
    "reply_to": kinds.ADDRESS,
    "order": kinds.integer(-1_000_000, 1_000_000),
    "enabled": kinds.FLAG,
    "allow_plaintext": kinds.FLAG,
    "login.user": kinds.SOME_TEXT,
    "login.secret": kinds.SECRET,
    "smtp_login.user": kinds.SOME_TEXT,
    "smtp_login.secret": kinds.SECRET,
    **{f"inbound.{key}": kind for key, kind in INBOUND.items()},
    **{f"outbound.{key}": kind for key, kind in OUTBOUND.items()},
}
_PLAIN = ("owner", "shared", "display_name", "reply_to", "order", "enabled", "allow_plaintext")
_DEFAULTS = {field.name: field.default for field in fields(Gateway)}


def to_gateway(name: str, data: Mapping[str, Any]) -> tuple[Gateway, list[KeyProblem]]:
    """The gateway that TOML tables describe, and everything wrong with them; usable only if nothing is."""
    values, problems = schema.read_values(SPEC, data)
    problems = [_without_password(name, problem) for problem in problems]
    problems += [
        KeyProblem(key, "is missing", "Every gateway needs it.") for key in ("server", "email") if key not in data
    ]
    email = values.get("email", "")
    login = Login(values.get("login.user", email), values.get("login.secret", SecretSource()))
    smtp_login = None
    if "smtp_login" in data:
        smtp_login = Login(values.get("smtp_login.user", login.user), values.get("smtp_login.secret", SecretSource()))
    gateway = Gateway(
        name=name,
        server=values.get("server", ""),
        email=email,
        login=login,
        smtp_login=smtp_login,
        inbound=Inbound(**_under("inbound", values)),
        outbound=Outbound(**_under("outbound", values)),
        **{key: values[key] for key in _PLAIN if key in values},
    )
    return gateway, problems


def _without_password(name: str, problem: KeyProblem) -> KeyProblem:
    """The problem, with the way out where a password may stand in the file; its value is never shown."""
    last = problem.key.rpartition(".")[2].lower()
    if last not in _PASSWORD_KEYS:
        return problem
    message = problem.message if problem.key in SPEC else "unknown key"
    smtp = " --smtp" if problem.key.startswith("smtp") else ""
    fix = f"A password never stands in a file. Take it out, then: mailctl gateway password set {name}{smtp}"
    return KeyProblem(problem.key, message, fix)


_PASSWORD_KEYS = {"password", "passwd", "passphrase", "pass", "pwd", "secret", "app_password", "token"}


def from_gateway(gateway: Gateway) -> dict[str, Any]:
    """The TOML tables of a gateway; what equals the default is left out."""
    values: dict[str, Any] = {"server": gateway.server, "email": gateway.email}
    for key in _PLAIN:
        value = getattr(gateway, key)
        values[key] = None if value == _DEFAULTS[key] else value
    for key, login in (("login", gateway.login), ("smtp_login", gateway.smtp_login)):
        if login is not None:
            values[f"{key}.user"], values[f"{key}.secret"] = login.user, login.secret
    for key in INBOUND:
        values[f"inbound.{key}"] = getattr(gateway.inbound, key)
    for key in OUTBOUND:
        values[f"outbound.{key}"] = getattr(gateway.outbound, key)
    return schema.write_values(SPEC, values)


def names_secrets(gateway: Gateway) -> bool:
    """Whether the file names a command to run, or a file to read, for a password."""
    logins = [gateway.login, *([gateway.smtp_login] if gateway.smtp_login else [])]
    return any(login.secret.kind in (SourceKind.COMMAND, SourceKind.FILE) for login in logins)


def _under(table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {key.partition(".")[2]: value for key, value in values.items() if key.startswith(table + ".")}
