"""The presets: one TOML file each in `presets/`, and one for each OAuth service in `oauth/`. Only ever read.

There is no index: looking a domain up reads the files as bytes (a few milliseconds for all) and parses only those that
hold the domain in quotes.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from mailctl.domain.names import nearest
from mailctl.domain.provider import OAuthService, Provider
from mailctl.errors import NotFoundError
from mailctl.providers.schema import oauth_service_of, provider_of

_PRESETS = Path(__file__).parent / "presets"
_OAUTH = Path(__file__).parent / "oauth"


@cache
def ids() -> tuple[str, ...]:
    """The ids of all presets, sorted."""
    return tuple(sorted(path.stem for path in _PRESETS.glob("*.toml")))


@cache
def _parsed(id_: str) -> Provider:
    import tomllib

    return provider_of(id_, tomllib.loads((_PRESETS / f"{id_}.toml").read_text(encoding="utf-8")))


def load(name: str) -> Provider:
    """The preset with the id or alias `name`, in any case. Raises NotFoundError suggesting the nearest."""
    name = name.lower()
    if name in ids():
        return _parsed(name)
    found = next((provider for provider in _holding(name) if name in provider.aliases), None)
    if found is None:
        near = nearest(name, ids())
        hint = f"Did you mean {near!r}?" if near else "`mailctl server presets --search TEXT` finds one."
        raise NotFoundError(f"There is no preset named {name!r}", hint=hint)
    return found


def load_all() -> tuple[Provider, ...]:
    """All presets, by id."""
    return tuple(_parsed(id_) for id_ in ids())


def by_domain(domain: str) -> Provider | None:
    """The provider of addresses at `domain` (A-labels), or None. An exact domain goes before `*.parent`."""
    domain = domain.lower().rstrip(".")
    parts = domain.split(".")
    wildcards = ["*." + ".".join(parts[i:]) for i in range(1, len(parts) - 1)]
    for name in (domain, *wildcards):
        for provider in _holding(name):
            if name in provider.domains:
                return provider
    return None


def by_mx(host: str) -> Provider | None:
    """The provider that runs the MX `host`, or None."""
    host = host.lower().rstrip(".")[:255]
    for provider in _holding_text(b"\nmx = ["):
        if any(re.fullmatch(pattern, host) for pattern in provider.mx):
            return provider
    return None


def by_host(host: str) -> Provider | None:
    """The provider that has `host` among its endpoints; where several have, the one that takes in other domains."""
    host = host.lower().rstrip(".")
    found = [
        provider
        for provider in _holding(host)
        if any(endpoint.host == host for endpoints in provider.endpoints.values() for endpoint in endpoints)
    ]
    return min(found, key=lambda provider: (not provider.mx, len(provider.domains), provider.id), default=None)


def search(text: str) -> tuple[Provider, ...]:
    """The presets that have `text` in their id, name, an alias, or as part of a domain or host; any case, by id."""
    text = text.casefold().strip()

    def words(provider: Provider) -> Iterator[str]:
        yield from (provider.id, provider.name, provider.family, *provider.aliases, *provider.domains)
        yield from (endpoint.host for found in provider.endpoints.values() for endpoint in found)

    return tuple(p for p in load_all() if any(text in word.casefold() for word in words(p)))


def load_oauth(id_: str) -> OAuthService:
    """The OAuth service `id_`, as named by `Provider.oauth`. Raises NotFoundError."""
    import tomllib

    path = _OAUTH / f"{id_}.toml"
    if not re.fullmatch(r"[a-z0-9-]+", id_) or not path.is_file():
        raise NotFoundError(f"There is no OAuth service named {id_!r}")
    return oauth_service_of(id_, tomllib.loads(path.read_text(encoding="utf-8")))


def oauth_services() -> Mapping[str, OAuthService]:
    """The OAuth services by id; each is read when it is asked for."""
    return _OAuthServices()


class _OAuthServices(Mapping[str, OAuthService]):
    def __getitem__(self, id_: str) -> OAuthService:
        try:
            return load_oauth(id_)
        except NotFoundError:
            raise KeyError(id_) from None

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(path.stem for path in _OAUTH.glob("*.toml")))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _holding(word: str) -> Iterator[Provider]:
    """The presets in whose file `word` stands in double quotes."""
    return _holding_text(b'"' + word.encode(errors="replace") + b'"')


def _holding_text(text: bytes) -> Iterator[Provider]:
    for id_ in ids():
        if text in (_PRESETS / f"{id_}.toml").read_bytes():
            yield _parsed(id_)
