"""`config.toml`, the user's own file: read, never written. Pure."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mailctl.config import kinds, schema
from mailctl.config.gateways import INBOUND, OUTBOUND
from mailctl.config.schema import KeyProblem, Kind, Spec, WrongValueError
from mailctl.domain.gateway import Inbound, Outbound, SecretSource, SourceKind
from mailctl.domain.settings import Limits, Settings

if TYPE_CHECKING:
    from mailctl.config.oauth import Services

FOREVER = "forever"


def _keep(value: Any) -> int | str:
    """Days; a bare number is days here."""
    if value == FOREVER:
        return FOREVER
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise WrongValueError
    from mailctl.domain.units import seconds_of

    days = value if isinstance(value, int) else seconds_of(value) // 86400
    if not 1 <= days <= 36500:
        raise WrongValueError
    return days


def _timeout(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise WrongValueError
    from mailctl.domain.units import seconds_of

    seconds = float(value) if isinstance(value, int | float) else float(seconds_of(value))
    if not 1 <= seconds <= 3600:
        raise WrongValueError
    return seconds


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise WrongValueError
    return value


def _full_path(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith(("/", "~/")) or "\0" in value:
        raise WrongValueError
    return value


def _key_source(value: Any) -> SecretSource:
    source: SecretSource = kinds.SECRET.read(value)
    if source.kind not in (SourceKind.COMMAND, SourceKind.ENV, SourceKind.FILE):
        raise WrongValueError
    return source


SPEC: Spec = {
    "timeout": Kind("seconds, or a time such as 30s, from 1s to 1h", _timeout),
    "jobs": kinds.integer(1, 64),
    "nameserver": kinds.SOME_TEXT,
    "limits.gateways_per_owner": kinds.integer(0, 10**6),
    "limits.allowed_domains": kinds.several(kinds.SOME_TEXT),
    "limits.minimum_tls": kinds.word("1.2", "1.3"),
    "limits.connections": kinds.integer(1, 8),
    "oauth": Kind("tables of applications: [oauth.NAME]", _table),
    "secrets.file": Kind("a full path", _full_path),
    "secrets.key": Kind('{command = [...]}, {env = "..."} or {file = "..."}', _key_source, private=True),
    "log.keep": Kind('an age such as 90d, or "forever"', _keep),
    **{f"inbound.{key}": kind for key, kind in INBOUND.items() if key != "maildir"},
    **{f"outbound.{key}": kind for key, kind in OUTBOUND.items()},
}


def to_settings(
    data: Mapping[str, Any], services: "Callable[[], Services]" = dict
) -> tuple[Settings, list[KeyProblem]]:
    """The settings that TOML tables hold, and everything wrong with them; usable only if nothing is.

    services: gives the shipped OAuth services by id.
    """
    values, problems = schema.read_values(SPEC, data)
    applications = values.pop("oauth", {})
    if applications:
        from mailctl.config.oauth import to_applications

        applications, wrong = to_applications(applications, services())
        problems += wrong
    tables: dict[str, dict[str, Any]] = {key: {} for key in ("", "limits", "secrets", "log", "inbound", "outbound")}
    for key, value in values.items():
        table, _, name = key.rpartition(".")
        tables[table][name] = value
    keep = tables["log"].get("keep", Settings().log_keep_days)
    settings = Settings(
        limits=Limits(**tables["limits"]),
        inbound=Inbound(**tables["inbound"]),
        outbound=Outbound(**tables["outbound"]),
        log_keep_days=None if keep == FOREVER else keep,
        oauth=applications,
        secrets_file=tables["secrets"].get("file", ""),
        secrets_key=tables["secrets"].get("key"),
        **tables[""],
    )
    return settings, problems
