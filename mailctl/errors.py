"""The error families, each with its exit code.

A raise site picks the family that names what went wrong, says it in one sentence and, where there is a next step, gives
it as the hint. `mailctl.__main__` is the only place that turns an error into output and an exit code.
"""

from collections.abc import Mapping
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line; stable, documented in the man page and in `mailctl --help`."""

    OK = 0
    BUG = 1
    USAGE = 2
    CONFIG = 3
    SECRET = 4
    NETWORK = 5
    TLS = 6
    AUTH = 7
    REFUSED = 8
    PROTOCOL = 9
    STORAGE = 10
    SAFETY = 11
    MIXED = 12
    INTERRUPTED = 130


EXIT_MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done, nothing wrong",
    ExitCode.BUG: "bug in mailctl",
    ExitCode.USAGE: "usage",
    ExitCode.CONFIG: "configuration (invalid, not found, exists)",
    ExitCode.SECRET: "secret not available",
    ExitCode.NETWORK: "network (DNS, refused, timeout)",
    ExitCode.TLS: "TLS",
    ExitCode.AUTH: "sign-in refused",
    ExitCode.REFUSED: "server refused the operation (permission, quota, no such folder, relay)",
    ExitCode.PROTOCOL: "server broke the protocol",
    ExitCode.STORAGE: "local storage (disk full, unreadable, locked)",
    ExitCode.SAFETY: "stopped for safety (would delete too much, identity changed); --verify found what no sync mends",
    ExitCode.MIXED: "several checks or gateways failed in different ways; the rows say which",
    ExitCode.INTERRUPTED: "interrupted",
}


class MailctlError(Exception):
    """Something went wrong that the user can be told in one sentence.

    message: one sentence, may quote hostile text (the output escapes it).
    hint: what to do next, naming a command where there is one; "" if nothing helps.
    code: stable snake_case name for programs; defaults to the family's.
    cause: name of a cause of the failure knowledge (`tls_expired`), or "" if none is known at the raise site.
    server_text: the server's own words, raw, or "".
    detail: what was learned before it failed (addresses tried, facts of the certificate), JSON values only.
    """

    exit_code: ExitCode = ExitCode.BUG
    default_code: str = "bug"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str = "",
        cause: str = "",
        server_text: str = "",
        detail: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.default_code
        self.cause = cause
        self.server_text = server_text
        self.detail = dict(detail or {})


class UsageError(MailctlError):
    """The command line, or a value given on it, is not usable."""

    exit_code = ExitCode.USAGE
    default_code = "usage"


class ConfigError(MailctlError):
    """A configuration file is invalid, or what it should hold isn't there."""

    exit_code = ExitCode.CONFIG
    default_code = "config_invalid"


class NotFoundError(ConfigError):
    """No object has that name."""

    default_code = "not_found"


class ExistsError(ConfigError):
    """An object of that name is already there, or still in use."""

    default_code = "exists"


class SecretError(MailctlError):
    """A secret can't be had, or can't be kept, where its source says."""

    exit_code = ExitCode.SECRET
    default_code = "secret_unavailable"


class NetworkError(MailctlError):
    """DNS, TCP, a cut connection or a deadline."""

    exit_code = ExitCode.NETWORK
    default_code = "network"


class TlsError(MailctlError):
    """No TLS, or not with the right peer."""

    exit_code = ExitCode.TLS
    default_code = "tls"


class AuthError(MailctlError):
    """The server refused the sign-in, or no safe way to sign in exists."""

    exit_code = ExitCode.AUTH
    default_code = "auth_refused"


class RefusedError(MailctlError):
    """The server understood and refused the operation."""

    exit_code = ExitCode.REFUSED
    default_code = "refused"


class ProtocolError(MailctlError):
    """The server broke the protocol, or went beyond mailctl's bounds."""

    exit_code = ExitCode.PROTOCOL
    default_code = "protocol"


class StorageError(MailctlError):
    """Local storage: full, unreadable, locked."""

    exit_code = ExitCode.STORAGE
    default_code = "storage"


class LockedError(StorageError):
    """Another process is at work on the same thing; the message says which."""

    default_code = "locked"


class SafetyError(MailctlError):
    """Stopped, since going on could destroy something."""

    exit_code = ExitCode.SAFETY
    default_code = "safety"


class StoppedError(MailctlError):
    """The user interrupted; what had been done is kept."""

    exit_code = ExitCode.INTERRUPTED
    default_code = "interrupted"


def combined_exit_code(codes: "list[ExitCode]") -> ExitCode:
    """Exit code of several outcomes: OK if all are, the one failure's code if all failures agree, else MIXED."""
    failures = {code for code in codes if code is not ExitCode.OK}
    if not failures:
        return ExitCode.OK
    return failures.pop() if len(failures) == 1 else ExitCode.MIXED
