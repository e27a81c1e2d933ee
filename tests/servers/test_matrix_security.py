"""The matrix of failures on real servers: port, security, TLS version and certificate."""

import pytest

from .matrix import ALL, MAILBOXES, SUBMISSIONS, Expected, Server, check, gateways, ports, shared, with_certificate
from .support.courier import CourierSettings
from .support.cyrus import CyrusSettings
from .support.dovecot_config import DovecotSettings
from .support.exim import EximSettings
from .support.home import Home
from .support.postfix import PostfixSettings

OTHER_SERVICE = Expected("wrong_protocol", 9, "greeting", "Compare host and port")
# certificate: its cause, who can mend it, words of the step to take
CERTIFICATES = {
    "expired": ("tls_expired", "provider", "only they can renew it"),
    "not_yet_valid": ("tls_clock", "user", "set the clock"),
    "self_signed": ("tls_self_signed", "user", "--fingerprint"),
    "wrong_host": ("tls_hostname_mismatch", "user", "host name that the certificate holds"),
    "cn_only": ("tls_hostname_mismatch", "provider", "subjectAltName"),
    "untrusted": ("tls_unknown_issuer", "admin", "--ca-file"),
    "intercepted": ("tls_intercepted", "user", "Switch off the scanning of mail connections"),
    "incomplete": ("tls_unknown_issuer", "provider", "install the whole chain"),
    "weak_key": ("tls_weak_certificate", "provider", "new certificate"),
}


@pytest.mark.parametrize("name", ALL)
def test_tls_where_the_server_speaks_plain_text_first(request: pytest.FixtureRequest, home: Home, name: str) -> None:
    gateways(home, server := shared(request, name), there=ports(server, "starttls"))
    for found in check(home, Expected("tls_on_plain_port", 6, "tls", "security starttls")):
        assert f"--{found['protocol']}-security starttls" in found["remedy"][0]


@pytest.mark.parametrize("security", ["starttls", "none"])
def test_plain_text_where_the_server_waits_for_tls(request: pytest.FixtureRequest, home: Home, security: str) -> None:
    """Both sides wait; that is told after a second and a half, and for all servers at once."""
    for name in ALL:
        server = shared(request, name)
        gateways(home, server, security=security, there=ports(server, "tls"))
    for found in check(home, Expected("plain_on_tls_port", 6, "greeting", "security tls")):
        assert f"--{found['protocol']}-security tls" in found["remedy"][0]


@pytest.mark.parametrize("security", ["tls", "starttls"])
@pytest.mark.parametrize("name", MAILBOXES)
def test_another_service_of_the_same_host(request: pytest.FixtureRequest, home: Home, name: str, security: str) -> None:
    server = shared(request, name)
    there = ports(server, security)
    swapped = {"imap": there["pop3"], "pop3": there["imap"], "smtp": there["imap"]}
    gateways(home, server, security=security, there=swapped)
    check(home, OTHER_SERVICE)


@pytest.mark.parametrize("security", ["tls", "starttls"])
@pytest.mark.parametrize("name", SUBMISSIONS)
def test_a_mailbox_where_smtp_answers(request: pytest.FixtureRequest, home: Home, name: str, security: str) -> None:
    server = shared(request, name)
    port = ports(server, security)["smtp"]
    gateways(home, server, security=security, there={"imap": port, "pop3": port})
    check(home, OTHER_SERVICE)


@pytest.mark.parametrize("name", ALL)
def test_no_starttls_on_offer(request: pytest.FixtureRequest, home: Home, name: str) -> None:
    server = with_certificate(request, name, None)
    port = {"smtp": server.mx} if name == "postfix" else None  # type: ignore[union-attr]  # the others wait for TLS
    gateways(home, server, security="starttls", there=port)
    for found in check(home, Expected("starttls_unavailable", 6, "starttls", "implicit TLS")):
        assert "bob-pw" not in repr(found)


@pytest.mark.parametrize(
    ("name", "version"), [*((name, "TLSv1") for name in ALL), ("cyrus", "TLSv1.1"), ("exim", "TLSv1.1")]
)
def test_only_an_old_tls(request: pytest.FixtureRequest, home: Home, name: str, version: str) -> None:
    """Servers that use GnuTLS (Courier, Exim) hang up or refuse without a reason; a second look tells."""
    server = _with_old_tls(request, name, version)
    for security in ("tls", "starttls"):
        gateways(home, server, security=security)
    check(home, Expected("tls_protocol_version", 6, "", "enable TLS 1.2", fixer="provider"))


def _with_old_tls(request: pytest.FixtureRequest, name: str, version: str) -> Server:
    gnutls = "NORMAL:-VERS-ALL:+VERS-" + {"TLSv1": "TLS1.0", "TLSv1.1": "TLS1.1"}[version]
    anything = "ALL:@SECLEVEL=0"
    made: Server
    match name:
        case "courier":
            made = request.getfixturevalue("make_courier")(CourierSettings(priority=gnutls))
        case "exim":
            made = request.getfixturevalue("make_exim")(EximSettings(priority=gnutls))
        case "cyrus":
            spelt = {"TLSv1": "tls1_0", "TLSv1.1": "tls1_1"}[version]
            parameters = {"tls_versions": spelt, "tls_ciphers": anything}
            made = request.getfixturevalue("make_cyrus")(CyrusSettings(parameters=parameters))
        case "postfix":
            parameters = {f"smtpd_tls{kind}_protocols": version for kind in ("", "_mandatory")}
            parameters |= {"tls_medium_cipherlist": anything, "smtpd_tls_mandatory_ciphers": "medium"}
            made = request.getfixturevalue("make_postfix")(PostfixSettings(parameters=parameters))
        case _:
            made = request.getfixturevalue("make_dovecot")(DovecotSettings(tls_minimum=version, tls_maximum=version))
    return made


@pytest.mark.parametrize("certificate", CERTIFICATES)
@pytest.mark.parametrize("names", [MAILBOXES, SUBMISSIONS], ids=["mailbox", "submission"])
def test_bad_certificate(request: pytest.FixtureRequest, home: Home, names: tuple[str, ...], certificate: str) -> None:
    for name in names:
        server = with_certificate(request, name, certificate)
        for security in ("tls", "starttls"):
            gateways(home, server, security=security)
    cause, fixer, step = CERTIFICATES[certificate]
    for found in check(home, Expected(cause, 6, "", step, fixer)):
        (failed,) = [stage for stage in found["stages"] if stage["status"] == "failed"]
        assert failed["detail"]["fingerprint"] == home.certificates[certificate].sha256
