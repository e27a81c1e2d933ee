"""Settings of `config.toml`: limits and defaults, the user's own file."""

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from mailctl.domain.gateway import Inbound, Outbound, SecretSource
from mailctl.domain.record import dataclass

if TYPE_CHECKING:
    from mailctl.domain.oauth import Application


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be configured.

    gateways_per_owner: how many gateways one owner may have, shared ones not counted; None is no limit.
    allowed_domains: globs of domains that an address may have; empty allows all.
    minimum_tls: "1.2" or "1.3".
    connections: how many one sync may have to one mailbox at a time; None: as many as help, and the provider allows.
    """

    gateways_per_owner: int | None = None
    allowed_domains: tuple[str, ...] = ()
    minimum_tls: str = "1.2"
    connections: int | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole of `config.toml`.

    default_gateway: what commands mean when no gateway is named, or "".
    log_keep_days: events older than this go; None keeps them all.
    timeout: seconds that one check may take in all.
    oauth: the applications that `config.toml` describes, by name.
    nameserver: `ADDRESS[:PORT]` asked for discovery instead of the system's resolver, or "".
    secrets_file: where the encrypted file is, or "" for the usual place. secrets_key: where its key is, a command, a
    variable or a file; None: a person is asked.
    """

    limits: Limits = field(default_factory=Limits)
    inbound: Inbound = field(default_factory=Inbound)
    outbound: Outbound = field(default_factory=Outbound)
    log_keep_days: int | None = 90
    timeout: float = 30.0
    jobs: int = 8
    nameserver: str = ""
    secrets_file: str = ""
    secrets_key: SecretSource | None = None
    oauth: "Mapping[str, Application]" = field(default_factory=dict)
