"""What is to run by itself, as a value. Pure."""

from collections.abc import Mapping
from dataclasses import field

from mailctl.domain.record import dataclass
from mailctl.errors import UsageError

KEPT = ("MAILCTL_CONFIG_DIR", "MAILCTL_STATE_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME")
"""Variables that say where files live."""
KEPT_FOR_COMMANDS = ("PATH", "GNUPGHOME", "PASSWORD_STORE_DIR")
"""Variables that a password command, or one that runs after changes, may depend on."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What runs.

    program: words that start mailctl, the first an absolute path. gateways: () for all. every: seconds between two
    syncs, or None for a watch. command: what runs after changes, of a watch only. environment: variables that it gets
    beside the service's own; no secret is in them. commands: whether password commands, or `command`, are run: they may
    need rights that are kept from it else. realm: tells this configuration folder's schedule from others', "" for the
    usual one.
    """

    program: tuple[str, ...]
    gateways: tuple[str, ...] = ()
    every: int | None = 900
    command: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    commands: bool = False
    realm: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """The whole command line."""
        verb = ("sync",) if self.every is not None else ("watch",)
        after = ("--exec", self.command) if self.command else ()
        return (*self.program, *verb, *(self.gateways or ("--all",)), "--no-input", *after)


def kept_environment(env: Mapping[str, str], config: str, state: str, *, commands: bool) -> dict[str, str]:
    """Of `env`, what the schedule needs. config, state: --config-dir and --state-dir made absolute, or ""."""
    names = KEPT + (KEPT_FOR_COMMANDS if commands else ())
    found = {name: env[name] for name in names if env.get(name)}
    if config:
        found["MAILCTL_CONFIG_DIR"] = config
    if state:
        found["MAILCTL_STATE_DIR"] = state
    return found


def checked(text: str, what: str) -> str:
    """`text`, if it can stand in a unit and a crontab; UsageError for control characters."""
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise UsageError(f"{what} holds a control character: {text!r}", code="bad_argument")
    return text
