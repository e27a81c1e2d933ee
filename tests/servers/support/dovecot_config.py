"""Dovecot's configuration as text, from settings: `DovecotSettings`, `render`. Pure; one text for each syntax."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .certificates import Certificate
from .process import User

# what Dovecot 2.3 offers after sign-in
# fmt: off
CAPABILITIES = (
    "IMAP4rev1", "SASL-IR", "LOGIN-REFERRALS", "ID", "ENABLE", "IDLE", "SORT", "SORT=DISPLAY", "THREAD=REFERENCES",
    "THREAD=REFS", "THREAD=ORDEREDSUBJECT", "MULTIAPPEND", "URL-PARTIAL", "CATENATE", "UNSELECT", "CHILDREN",
    "NAMESPACE", "UIDPLUS", "LIST-EXTENDED", "I18NLEVEL=1", "CONDSTORE", "QRESYNC", "ESEARCH", "ESORT", "SEARCHRES",
    "WITHIN", "CONTEXT=SEARCH", "LIST-STATUS", "BINARY", "MOVE", "SNIPPET=FUZZY", "PREVIEW=FUZZY", "PREVIEW",
    "STATUS=SIZE", "SAVEDATE", "LITERAL+", "NOTIFY", "SPECIAL-USE",
)
# fmt: on


# folders that everybody has: Dovecot lists them, and makes them when first opened
AUTOMATIC = ("Sent", "Junk", "Trash")


@dataclass(frozen=True)
class DovecotSettings:
    """What tests vary.

    Args:
        plaintext_auth: whether a password may travel without TLS. Dovecot always allows it where client and server have
            the same address, so a server that forbids it listens on 127.0.0.2 and clients come from 127.0.0.1.
        certificate: an attribute of `Certificates`; None: no TLS at all.
        tls_minimum: `TLSv1`, `TLSv1.1`, `TLSv1.2` or `TLSv1.3`.
        without: capabilities not offered, such as `("UIDPLUS", "CONDSTORE", "QRESYNC")`; the commands still work.
        mechanisms: SASL mechanisms on offer.
        connections: how many one user may have at once from one address.
        quota: storage a user may use, such as `"100k"`; None: no limit.
        mail_location: the storage, in the words of Dovecot 2.3's setting: driver:path[:KEY=VALUE...]. The default
            keeps folder names in an index and so permits `..`, `cur`, `a/../b`.
        extra: text put at the end of the configuration, in the syntax of the version installed.
    """

    plaintext_auth: bool = True
    certificate: str | None = "good"
    tls_minimum: str = "TLSv1.2"
    without: tuple[str, ...] = ()
    mechanisms: tuple[str, ...] = ("plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256")
    connections: int = 50
    quota: str | None = None
    mail_location: str = "sdbox:~/mail:LAYOUT=index"
    extra: str = ""

    @property
    def host(self) -> str:
        """The address it listens on."""
        return "127.0.0.1" if self.plaintext_auth else "127.0.0.2"


@dataclass(frozen=True)
class Place:
    """Where and as whom an instance runs: folder, ports by name, account, libexec folder, variables to hand on."""

    folder: Path
    ports: Mapping[str, int]
    user: User
    libexec: Path
    imports: tuple[str, ...] = field(default=())


def render(settings: DovecotSettings, place: Place, certificate: Certificate | None) -> str:
    """The text of dovecot.conf in the syntax of Dovecot 2.3."""
    folder, user = place.folder, place.user
    lines = [
        f"base_dir = {folder}/run",
        f"state_dir = {folder}/state",
        f"log_path = {folder}/log",
        f"libexec_dir = {place.libexec}",
        f"mail_plugin_dir = {place.libexec}/modules",
        f"import_environment = {' '.join(place.imports)}",
        "auth_verbose = yes",
        "auth_failure_delay = 0",
        "auth_username_chars =",
        "auth_username_format = %n",  # NAME and NAME@mail.test are the same user
        f"auth_mechanisms = {' '.join(settings.mechanisms)}",
        "protocols = imap pop3 lmtp",
        f"listen = {settings.host}",
        f"disable_plaintext_auth = {'no' if settings.plaintext_auth else 'yes'}",
        f"default_internal_user = {user.name}",
        f"default_internal_group = {user.group}",
        f"default_login_user = {user.name}",
        "first_valid_uid = 1",
        "first_valid_gid = 1",
        "mail_fsync = never",
        f"mail_location = {settings.mail_location}",
        f"mail_max_userip_connections = {settings.connections}",
        f"ssl_min_protocol = {settings.tls_minimum}",
        f"ssl = {'yes' if certificate else 'no'}",
    ]
    if certificate:
        lines += [f"ssl_cert = <{certificate.certificate}", f"ssl_key = <{certificate.key}"]
        lines += ["ssl_cipher_list = ALL:@SECLEVEL=0"]  # so that old versions and weak keys can be had
    if settings.without:
        offered = " ".join(name for name in CAPABILITIES if name not in settings.without)
        lines += [f"imap_capability = {offered}"]
    if settings.quota:
        lines += ["mail_plugins = quota", "protocol imap {", "mail_plugins = quota imap_quota", "}", "plugin {"]
        lines += ["quota = count:User quota", "quota_vsizes = yes", f"quota_rule = *:storage={settings.quota}", "}"]
    lines += ["namespace inbox {", "inbox = yes", "separator = /"]
    for name in AUTOMATIC:
        lines += [f"mailbox {name} {{", f"special_use = \\{name}", "auto = subscribe", "}"]
    lines += ["}", "passdb {", "driver = passwd-file", f"args = scheme=plain {folder}/users/%u", "}"]
    lines += ["userdb {", "driver = static"]
    lines += [f"args = uid={user.name} gid={user.group} home={folder}/mail/%u allow_all_users=yes", "}"]
    for service, listeners in _SERVICES.items():
        lines += [f"service {service} {{", "chroot ="]
        if service == "anvil":  # without it, failed sign-ins from one address are answered later and later
            lines += ["unix_listener anvil-auth-penalty {", "mode = 0", "}"]
        for listener, secured in listeners.items():
            lines += [f"inet_listener {listener} {{", f"address = {settings.host}"]
            lines += [f"port = {0 if secured and not certificate else place.ports[listener]}"]
            lines += [f"ssl = {'yes' if secured else 'no'}", "}"]
        lines += ["}"]
    return "\n".join([*lines, settings.extra, ""])


# service: its listeners, and whether each speaks TLS from the first byte
_SERVICES: Mapping[str, Mapping[str, bool]] = {
    "anvil": {},
    "stats": {},
    "imap-login": {"imap": False, "imaps": True},
    "pop3-login": {"pop3": False, "pop3s": True},
    "lmtp": {"lmtp": False},
    "auth": {"sasl": False},
}
LISTENERS = tuple(name for listeners in _SERVICES.values() for name in listeners)
