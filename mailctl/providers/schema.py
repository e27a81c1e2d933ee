"""TOML tables of presets and OAuth services → domain values. Strict: what isn't known is an error, not ignored."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

from mailctl.domain.names import nearest
from mailctl.domain.provider import (
    Confidence,
    OAuthService,
    Provider,
    ProviderLimits,
    Setup,
    SignIn,
    Status,
    UsernameForm,
)
from mailctl.domain.server import Endpoint, Protocol, Security
from mailctl.errors import ConfigError

Word = TypeVar("Word", bound=StrEnum)


class Reader:
    """Takes typed values out of one table and complains about what is left. Every complaint names file and key."""

    def __init__(self, table: object, where: str) -> None:
        if not isinstance(table, dict):
            raise ConfigError(f"{where} must be a table")
        self._table: dict[str, Any] = dict(table)
        self._where = where
        self._known: list[str] = []

    def _take(self, key: str, kind: type, default: Any) -> Any:
        self._known.append(key)
        value = self._table.pop(key, default)
        if value is ...:
            raise ConfigError(f"{self._where}: {key} is missing")
        if value is not default and type(value) is not kind:
            raise ConfigError(f"{self._where}: {key} must be of type {kind.__name__}")
        return value

    def text(self, key: str, default: Any = "") -> str:
        """A string; `...` as default demands it."""
        return str(self._take(key, str, default))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings, empty if absent."""
        values = self._take(key, list, [])
        if any(type(value) is not str for value in values):
            raise ConfigError(f"{self._where}: {key} must be a list of strings")
        return tuple(values)

    def number(self, key: str) -> int | None:
        """A positive integer, None if absent."""
        value = self._take(key, int, None)
        if value is not None and value < 1:
            raise ConfigError(f"{self._where}: {key} must be positive")
        return None if value is None else int(value)

    def flag(self, key: str, default: bool | None = None) -> bool | None:
        """A boolean."""
        value = self._take(key, bool, default)
        return None if value is None else bool(value)

    def word(self, key: str, words: type[Word], default: Any = ...) -> Word:
        """One of the words of an enumeration."""
        return self._word(key, words, self._take(key, str, default))

    def words(self, key: str, words: type[Word]) -> tuple[Word, ...]:
        """A list of words of an enumeration."""
        return tuple(self._word(key, words, value) for value in self.texts(key))

    def _word(self, key: str, words: type[Word], value: str) -> Word:
        try:
            return words(value)
        except ValueError:
            known = ", ".join(words)
            raise ConfigError(f"{self._where}: {key} is {value!r}; it must be one of {known}") from None

    def table(self, key: str) -> "Reader":
        """A table inside, empty if absent."""
        return Reader(self._take(key, dict, {}), f"{self._where}: {key}")

    def mapping(self, key: str) -> dict[str, Any]:
        """A table inside with keys of its own choice."""
        return dict(self._take(key, dict, {}))

    def each(self, key: str, make: "Callable[[Reader], Any]") -> tuple[Any, ...]:
        """What `make` makes of each table of a list."""
        return tuple(make(Reader(item, f"{self._where}: {key}")) for item in self._take(key, list, []))

    def end(self) -> None:
        """Raises ConfigError for a key that nobody took."""
        for key in self._table:
            near = nearest(key, self._known)
            hint = f"Did you mean {near!r}?" if near else ""
            raise ConfigError(f"{self._where}: unknown key {key!r}", hint=hint)


def provider_of(id_: str, table: dict[str, Any]) -> Provider:
    """The provider that a preset file describes. Raises ConfigError naming file and key."""
    top = Reader(table, f"{id_}.toml")
    endpoints, sign_in, username = top.table("endpoints"), top.table("sign_in"), top.table("username")
    found = {protocol: endpoints.each(protocol, _endpoint) for protocol in Protocol}
    methods = {protocol: sign_in.words(protocol, SignIn) for protocol in Protocol}
    provider = Provider(
        id=id_,
        name=top.text("name", ...),
        family=top.text("family", ...),
        status=top.word("status", Status),
        as_of=top.text("as_of", ...),
        aliases=top.texts("aliases"),
        ends=top.text("ends"),
        domains=top.texts("domains"),
        mx=top.texts("mx"),
        mx_certain=bool(top.flag("mx_certain", default=True)),
        endpoints={protocol: each for protocol, each in found.items() if each},
        endpoints_confidence=endpoints.word("confidence", Confidence, "none"),
        username=username.word("form", UsernameForm, "email"),
        username_note=username.text("note"),
        sign_in={protocol: each for protocol, each in methods.items() if each},
        sign_in_note=sign_in.text("note"),
        sign_in_confidence=sign_in.word("confidence", Confidence, "none"),
        oauth=sign_in.text("oauth"),
        files_sent_mail=top.flag("files_sent_mail"),
        setup=_setup(top.table("setup")),
        limits=_limits(top.table("limits")),
        quirks=top.texts("quirks"),
        notes=top.texts("notes"),
        unverified=top.texts("unverified"),
        links=top.texts("links"),
    )
    for reader in (top, endpoints, sign_in, username):
        reader.end()
    return provider


def _endpoint(reader: Reader) -> Endpoint:
    host, port, security = reader.text("host", ...), reader.number("port"), reader.word("security", Security)
    reader.end()
    if port is None or port > 65535:
        raise ConfigError(f"the port of {host} must be 1 to 65535")
    return Endpoint(host, port, security)


def _setup(reader: Reader) -> Setup:
    setup = Setup(
        reader.texts("steps"), reader.text("enable_url"), reader.text("app_password_url"), reader.text("help_url")
    )
    reader.end()
    return setup


def _limits(reader: Reader) -> ProviderLimits:
    limits = ProviderLimits(**{name: reader.number(name) for name in ProviderLimits.__dataclass_fields__})
    reader.end()
    return limits


def oauth_service_of(id_: str, table: dict[str, Any]) -> OAuthService:
    """The OAuth service that a file describes. Raises ConfigError naming file and key."""
    top = Reader(table, f"{id_}.toml")
    scopes, tenants = top.mapping("scopes"), top.mapping("tenants")
    steps, others = top.mapping("steps"), top.mapping("others")
    service = OAuthService(
        id=id_,
        issuer=top.text("issuer", ...),
        authorization_endpoint=top.text("authorization_endpoint", ...),
        token_endpoint=top.text("token_endpoint", ...),
        device_authorization_endpoint=top.text("device_authorization_endpoint"),
        scopes={str(name): tuple(map(str, values)) for name, values in scopes.items()},
        app_only_scope=top.text("app_only_scope"),
        tenants={str(name): str(value) for name, value in tenants.items()},
        device_flow=top.text("device_flow", "unknown"),
        device_flow_note=top.text("device_flow_note"),
        pkce=top.flag("pkce"),
        sasl=top.texts("sasl"),
        registration=top.text("registration"),
        registration_url=top.text("registration_url"),
        other_endpoints=top.texts("other_endpoints"),
        revocation_endpoint=top.text("revocation_endpoint"),
        redirect=top.text("redirect"),
        steps={str(grant): tuple(map(str, each)) for grant, each in steps.items()},
        client_id_form=top.text("client_id_form"),
        client_id_example=top.text("client_id_example"),
        wants_secret=top.flag("wants_secret"),
        others={str(digest): str(whose) for digest, whose in others.items()},
        refresh_days=top.number("refresh_days"),
    )
    top.end()
    return service
