"""Dovecot's configuration as text, from settings: `DovecotSettings`, `render`. Pure; for versions 2.3 and 2.4."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .certificates import Certificate
from .dovecot_oauth import OAuthSettings
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


# openssl.cnf with the newest TLS version to be offered
OPENSSL = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMaxProtocol = {}\n"

# folders that everybody has: Dovecot lists them, and makes them when first opened
AUTOMATIC = ("Sent", "Junk", "Trash")


@dataclass(frozen=True)
class DovecotSettings:
    """What tests vary.

    Args:
        plaintext_auth: whether a password may travel without TLS. Dovecot always allows it where client and server have
            the same address, so a server that forbids it listens on 127.0.0.2 and clients come from 127.0.0.1.
        certificate: an attribute of `Certificates`; None: no TLS at all.
        tls_minimum: `TLSv1`, `TLSv1.1`, `TLSv1.2` or `TLSv1.3`. tls_maximum: likewise; None: no limit.
        without: capabilities not offered, such as `("UIDPLUS", "CONDSTORE", "QRESYNC")`; the commands still work.
        mechanisms: SASL mechanisms on offer.
        connections: how many one user may have at once from one address.
        quota: storage a user may use, such as `"100k"`; None: no limit.
        storage, layout: how mail is kept, such as `maildir` and `fs`. The default keeps folder names in an index, and
            so permits `..`, `cur`, `a/../b`.
        oauth: how tokens sign in, beside `mechanisms`; None: they don't.
        extra: text put at the end of the configuration, in the syntax of the version installed.
    """

    plaintext_auth: bool = True
    certificate: str | None = "good"
    tls_minimum: str = "TLSv1.2"
    tls_maximum: str | None = None
    without: tuple[str, ...] = ()
    mechanisms: tuple[str, ...] = ("plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256")
    connections: int = 50
    quota: str | None = None
    storage: str = "sdbox"
    layout: str = "index"
    oauth: OAuthSettings | None = None
    extra: str = ""

    @property
    def host(self) -> str:
        """The address it listens on."""
        return "127.0.0.1" if self.plaintext_auth else "127.0.0.2"


@dataclass(frozen=True)
class Place:
    """Where and as whom an instance runs: ports are by listener, `env` is handed on to its processes."""

    folder: Path
    ports: Mapping[str, int]
    user: User
    libexec: Path
    env: Mapping[str, str]
    version: tuple[int, ...]


def render(settings: DovecotSettings, place: Place, certificate: Certificate | None) -> str:
    """The text of dovecot.conf in the syntax of the version."""
    own = _before_2_4 if place.version < (2, 4) else _since_2_4
    lines = [
        *own(settings, place, certificate),
        f"base_dir = {place.folder}/run",
        f"state_dir = {place.folder}/state",
        f"log_path = {place.folder}/log",
        f"libexec_dir = {place.libexec}",
        f"mail_plugin_dir = {place.libexec}/modules",
        "auth_verbose = yes",
        "auth_failure_delay = 0",
        "auth_username_chars =",
        f"auth_mechanisms = {' '.join((*settings.mechanisms, *(settings.oauth.mechanisms if settings.oauth else ())))}",
        "protocols = imap pop3 lmtp",
        f"listen = {settings.host}",
        f"default_internal_user = {place.user.name}",
        f"default_internal_group = {place.user.group}",
        f"default_login_user = {place.user.name}",
        "first_valid_uid = 1",
        "first_valid_gid = 1",
        "mail_fsync = never",
        "mailbox_idle_check_interval = 2 secs",  # where there are no inotify instances left
        f"mail_max_userip_connections = {settings.connections}",
        f"ssl = {'yes' if certificate else 'no'}",
        f"ssl_min_protocol = {settings.tls_minimum}",
        "ssl_cipher_list = ALL:@SECLEVEL=0",  # so that old versions and weak keys can be had
    ]
    if settings.without:
        offered = " ".join(name for name in CAPABILITIES if name not in settings.without)
        lines += [f"imap_capability = {offered}"]
    namespace = ["inbox = yes", "separator = /"]
    for name in AUTOMATIC:
        namespace += _block(f"mailbox {name}", f"special_use = \\{name}", "auto = subscribe")
    lines += _block("namespace inbox", *namespace)
    for service, listeners in _SERVICES.items():
        inner = ["chroot ="]
        if service == "anvil":  # without it, failed sign-ins from one address are answered later and later
            inner += _block("unix_listener anvil-auth-penalty", "mode = 0")
        for listener, secured in listeners.items():
            port = 0 if secured and not certificate else place.ports[listener]
            inner += _block(f"inet_listener {listener}", f"port = {port}", f"ssl = {'yes' if secured else 'no'}")
        lines += _block(f"service {service}", *inner)
    oauth = settings.oauth.block(place.folder, place.version) if settings.oauth else ""
    return "\n".join([*lines, oauth, settings.extra, ""])


def _block(head: str, *lines: str) -> list[str]:
    return [f"{head} {{", *lines, "}"]


def _before_2_4(settings: DovecotSettings, place: Place, certificate: Certificate | None) -> list[str]:
    folder, user = place.folder, place.user
    passwords = [f"mechanisms = {' '.join(settings.mechanisms)}"] if settings.oauth and settings.mechanisms else []
    lines = [
        f"import_environment = {' '.join(place.env)}",
        f"disable_plaintext_auth = {'no' if settings.plaintext_auth else 'yes'}",
        "auth_username_format = %n",  # NAME and NAME@mail.test are the same user
        f"mail_location = {settings.storage}:~/mail:LAYOUT={settings.layout}",
        *_block("passdb", "driver = passwd-file", *passwords, f"args = scheme=plain {folder}/users/%u"),
        *_block(
            "userdb",
            "driver = static",
            f"args = uid={user.name} gid={user.group} home={folder}/mail/%u allow_all_users=yes",
        ),
    ]
    if certificate:
        lines += [f"ssl_cert = <{certificate.certificate}", f"ssl_key = <{certificate.key}"]
    if settings.quota:
        rule = f"quota_rule = *:storage={settings.quota}"
        lines += ["mail_plugins = quota", *_block("protocol imap", "mail_plugins = quota imap_quota")]
        lines += _block("plugin", "quota = count:User quota", "quota_vsizes = yes", rule)
    return lines


def _since_2_4(settings: DovecotSettings, place: Place, certificate: Certificate | None) -> list[str]:
    folder, user = place.folder, place.user
    lines = [
        "dovecot_config_version = 2.4.0",  # must come first
        "dovecot_storage_version = 2.4.0",
        *_block("import_environment", *(f"{name} = {value}" for name, value in place.env.items())),
        f"auth_allow_cleartext = {'yes' if settings.plaintext_auth else 'no'}",
        "auth_allow_weak_schemes = yes",
        "auth_username_format = %{user | username}",  # NAME and NAME@mail.test are the same user
        f"mail_driver = {settings.storage}",
        "mail_path = ~/mail",
        f"mailbox_list_layout = {settings.layout}",
        *_block("passdb passwd-file", f"passwd_file_path = {folder}/users/%{{user}}"),
        *_block(
            "userdb static",
            "userdb_static_allow_all_users = yes",
            *_block("fields", f"uid = {user.name}", f"gid = {user.group}", f"home = {folder}/mail/%{{user}}"),
        ),
    ]
    if certificate:
        lines += [f"ssl_server_cert_file = {certificate.certificate}", f"ssl_server_key_file = {certificate.key}"]
    if settings.quota:
        lines += _block("mail_plugins", "quota = yes")
        lines += _block("protocol imap", *_block("mail_plugins", "imap_quota = yes"))
        lines += [f"quota_storage_size = {settings.quota}", *_block('quota "User quota"')]
    return lines


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
