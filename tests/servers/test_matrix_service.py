"""The matrix of failures on real servers: signed in, or nearly so, and refused all the same."""

import contextlib
import imaplib
import poplib
import smtplib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .matrix import Expected, Server, check, gateways, ports, shared
from .support.certificates import Certificates
from .support.courier import CourierSettings
from .support.courier_users import CourierUsers
from .support.cyrus import CyrusSettings
from .support.dovecot import Dovecot
from .support.dovecot_config import DovecotSettings
from .support.dovecot_programs import DovecotPrograms
from .support.exim import EximSettings
from .support.fixtures import MakeCourier, MakeCyrus, MakeDovecot, MakeExim, MakePostfix
from .support.home import Home
from .support.mail import Mail
from .support.postfix import PostfixSettings

FULL = Expected("quota_full", 8, "rcpt", "Delete large mail")
TOO_MANY = Expected("too_many_connections", 8, "authenticate", "Close")
OTHERS_ADDRESS = Expected("sender_not_permitted", 8, "rcpt", "address to the one that the login owns")
GREYLISTED = Expected("greylisted", 8, "rcpt", "Try again after")
NO_RELAY = Expected("relay_denied", 8, "rcpt", "submission server")
QUOTA_STATUS = """
service quota-status {
  executable = quota-status -p postfix
  unix_listener quota-status {
    mode = 0666
  }
  client_limit = 1
}
plugin {
  quota_status_overquota = 552 5.2.2 Mailbox is full
}
"""


@pytest.fixture
def trust(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates.ca)


@pytest.fixture
def hold(trust: ssl.SSLContext) -> Iterator[Callable[[Server], None]]:
    """A function: one session for each protocol of the server is kept open, bob's where there is a sign-in."""
    with contextlib.ExitStack() as stack:

        def keep(server: Server) -> None:
            there = ports(server, "tls")
            if "smtp" in there:
                stack.enter_context(smtplib.SMTP_SSL("localhost", there["smtp"], context=trust))
                return
            imap = stack.enter_context(imaplib.IMAP4_SSL("localhost", there["imap"], ssl_context=trust))
            imap.login("bob", "bob-pw")
            pop3 = poplib.POP3_SSL("localhost", there["pop3"], context=trust)
            stack.callback(pop3.close)
            pop3.user("bob")
            pop3.pass_("bob-pw")

        yield keep


# -- too many connections


def test_too_many_connections_to_dovecot(home: Home, make_dovecot: MakeDovecot, hold: Callable[[Server], None]) -> None:
    server = make_dovecot(DovecotSettings(connections=1))
    hold(server)
    gateways(home, server)
    check(home, TOO_MANY)


def test_too_many_connections_to_cyrus(home: Home, make_cyrus: MakeCyrus) -> None:
    """The connection itself counts, so that none at all may be opened."""
    gateways(home, make_cyrus(CyrusSettings(parameters={"maxlogins_per_host": "1"})))
    check(home, TOO_MANY)


def test_too_many_connections_to_courier(home: Home, make_courier: MakeCourier, hold: Callable[[Server], None]) -> None:
    """It hangs up without a word, and says so in its log only."""
    server = make_courier(CourierSettings(connections=1))
    hold(server)
    gateways(home, server)
    for found in check(home, Expected("tls_eof", 6, "tls", "whether this address is blocked")):
        assert "too_many_connections" in [other["cause"] for other in found["alternatives"]]


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_too_many_connections_to_exim(
    home: Home, make_exim: MakeExim, hold: Callable[[Server], None], security: str
) -> None:
    """Where TLS is expected from the start, the refusal comes in plain text all the same."""
    server = make_exim(EximSettings(parameters={"smtp_accept_max_per_host": "1"}))
    hold(server)
    gateways(home, server, security=security)
    stage = "tls" if security == "tls" else "greeting"
    check(home, Expected("too_many_connections", 8, stage, "Close mail programs"))


def test_too_many_connections_to_postfix(home: Home, make_postfix: MakePostfix, hold: Callable[[Server], None]) -> None:
    limits = {"smtpd_client_connection_count_limit": "1", "smtpd_client_event_limit_exceptions": ""}
    server = make_postfix(PostfixSettings(parameters=limits))
    hold(server)
    gateways(home, server)
    check(home, Expected("too_many_connections", 8, "greeting", "Close mail programs"))


def test_too_many_sign_ins_to_postfix(home: Home, make_postfix: MakePostfix) -> None:
    limits = {"smtpd_client_auth_rate_limit": "1", "smtpd_client_event_limit_exceptions": ""}
    gateways(home, make_postfix(PostfixSettings(parameters=limits)))
    assert home.one("--all")["ok"]
    check(home, Expected("rate_limited_login", 7, "authenticate", "wait"))


# -- the address that connects


def test_address_blocked_by_postfix(home: Home, make_postfix: MakePostfix) -> None:
    answer = "554 5.7.1 Service unavailable; Client host [127.0.0.1] blocked using zen.spamhaus.org"
    refused = {"smtpd_delay_reject": "no", "smtpd_client_restrictions": f"check_client_access static:{{{answer}}}"}
    server = make_postfix(PostfixSettings(parameters=refused))
    gateways(home, server, security="starttls", there={"smtp": server.mx})
    check(home, Expected("ip_blocked", 8, "greeting", "have it taken off the list", fixer="admin"))


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_address_blocked_by_exim(home: Home, make_exim: MakeExim, security: str) -> None:
    blocked = ("accept", "blocked:", "deny message = your host is blacklisted at zen.spamhaus.org")
    server = make_exim(EximSettings(rcpt=blocked, parameters={"acl_smtp_connect": "blocked"}))
    gateways(home, server, security=security)
    check(home, Expected("ip_blocked", 8, "greeting", "have it taken off the list", fixer="admin"))


# -- the mailbox behind the sign-in


def test_storage_broken_on_dovecot(home: Home, make_dovecot: MakeDovecot) -> None:
    server = make_dovecot(DovecotSettings())
    server.lock_out("bob")
    gateways(home, server)
    check(home, Expected("server_bug", 8, "select", "operator", fixer="provider"), "dovecot-imap-tls-bob")
    check(home, Expected("temp_unavailable", 8, "stat", "support", fixer="provider"), "dovecot-pop3-tls-bob")


def test_no_inbox_on_cyrus(home: Home, make_cyrus: MakeCyrus) -> None:
    server = make_cyrus(CyrusSettings(parameters={"autocreate_quota": "-1"}))
    gateways(home, server, there={"imap": server.imaps})
    check(home, Expected("no_such_mailbox", 8, "select", "has a mailbox there", fixer="admin"))


def test_no_home_on_courier(request: pytest.FixtureRequest, home: Home, courier_users: CourierUsers) -> None:
    courier_users.add_user("homeless", "homeless-pw")
    courier_users.remove_home("homeless")
    gateways(home, shared(request, "courier"), "homeless")
    # its process for IMAP may be gone before the answer gets out
    check(
        home,
        Expected(("temp_unavailable", "mailbox_session_refused"), 8, "authenticate", "again", fixer="provider"),
        "courier-pop3-tls-homeless",
    )


@pytest.mark.parametrize("name", ["dovecot", "cyrus", "courier"])
def test_full_mailbox(
    request: pytest.FixtureRequest, home: Home, trust: ssl.SSLContext, courier_users: CourierUsers, name: str
) -> None:
    """It can be read, so that the check passes; the user is warned."""
    user = "bob"
    match name:
        case "dovecot":
            server: Server = request.getfixturevalue("make_dovecot")(DovecotSettings(quota="10k"))
        case "cyrus":
            server = request.getfixturevalue("make_cyrus")(CyrusSettings(quota=10))
        case _:
            server, user = shared(request, name), "full"
            courier_users.add_user(user, "full-pw", quota="9000S")
    port = ports(server, "tls")["imap"]
    with imaplib.IMAP4_SSL("localhost", port, ssl_context=trust) as client:
        client.login(user, f"{user}-pw")
        size = 8000
        while size >= 10:
            if client.append("INBOX", "", "", b"Subject: x\r\n\r\n" + b"x" * size + b"\r\n")[0] == "NO":
                size //= 2
    gateways(home, server, user, there={"imap": port})
    (found,) = home.test("--all")
    assert {"quota_full", "quota_nearly_full"} & {each["name"] for each in found["findings"]}


# -- sending


@pytest.mark.parametrize("name", ["postfix", "exim"])
def test_sender_of_somebody_else(request: pytest.FixtureRequest, home: Home, name: str) -> None:
    gateways(home, shared(request, name))
    _write_as(home, name, "alice@mail.test")
    check(home, OTHERS_ADDRESS)


def test_recipient_over_quota(
    home: Home, make_dovecot: MakeDovecot, make_postfix: MakePostfix, dovecot_programs: DovecotPrograms
) -> None:
    """Postfix asks Dovecot before it takes a message, so that nothing bounces."""
    if dovecot_programs.version >= (2, 4):
        pytest.skip("the quota-status service of Dovecot 2.3")
    storage = make_dovecot(DovecotSettings(quota="1k", extra=QUOTA_STATUS))
    with storage.session("bob") as session:
        session.append("INBOX", [Mail(b"Subject: x\r\n\r\n".ljust(1024, b"x"))])
    asked = f"reject_unauth_destination, check_policy_service unix:{storage.socket('quota-status')}"
    gateways(home, make_postfix(PostfixSettings(parameters={"smtpd_recipient_restrictions": asked})))
    for found in check(home, FULL):
        assert found["server_text"].startswith("552 5.2.2 ")


def test_greylisting_on_postfix(home: Home, make_postfix: MakePostfix) -> None:
    greylisted = "450 4.2.0 Greylisted, see https://postgrey.example/help/mail.test.html"
    gateways(home, make_postfix(PostfixSettings(parameters=_recipients(greylisted))))
    check(home, GREYLISTED)


def test_greylisting_on_exim(home: Home, make_exim: MakeExim) -> None:
    gateways(home, make_exim(EximSettings(rcpt=("defer message = Greylisted, please try again later",))))
    check(home, GREYLISTED)


def test_relaying_denied_by_exim(home: Home, make_exim: MakeExim) -> None:
    gateways(home, make_exim(EximSettings(rcpt=("deny message = relay not permitted",))))
    check(home, NO_RELAY)


def test_relaying_denied_by_postfix(home: Home, make_postfix: MakePostfix) -> None:
    """Who signed in is no reason to pass mail on: what a server says that nobody meant for sending."""
    elsewhere = {"virtual_mailbox_domains": "", "smtpd_relay_restrictions": "reject_unauth_destination"}
    gateways(home, make_postfix(PostfixSettings(parameters=elsewhere)))
    check(home, NO_RELAY)


def test_access_denied_by_postfix(home: Home, make_postfix: MakePostfix) -> None:
    """No unknown recipient, though it says `Recipient address rejected`."""
    gateways(home, make_postfix(PostfixSettings(parameters={"smtpd_recipient_restrictions": "reject"})))
    check(home, Expected("policy", 8, "rcpt", "", fixer="admin"))


@pytest.mark.parametrize("name", ["postfix", "exim"])
def test_size_exceeded(request: pytest.FixtureRequest, home: Home, dovecot: Dovecot, name: str) -> None:
    """A check sends nothing, and warns of a small limit; the message that a gateway sends itself meets it."""
    settings = PostfixSettings(size_limit=300) if name == "postfix" else EximSettings(size_limit=300)
    server = request.getfixturevalue(f"make_{name}")(settings)
    home.gateway(
        "small", "bob", "bob-pw", f"imap localhost {dovecot.imaps} tls", f"smtp localhost {server.submissions} tls"
    )
    _, sending = home.test("small")
    assert "message_size_small" in [finding["name"] for finding in sending["findings"]]
    (probe,) = home.cli.json("test", "small", "--send", code=8)["result"]["probes"]
    assert (probe["cause"], probe["stage"], probe["fixer"]) == ("size_limit", "mail", "user")
    assert "smaller" in "\n".join(probe["remedy"])


def _write_as(home: Home, name: str, address: str) -> None:
    path: Path = home.cli.config / f"gateways/{name}-smtp-tls-bob.toml"
    path.write_text(path.read_text().replace("bob@mail.test", address))


def _recipients(answer: str) -> dict[str, str]:
    """Parameters of a Postfix that gives all recipients of its own that answer."""
    return {"smtpd_recipient_restrictions": f"reject_unauth_destination, check_recipient_access static:{{{answer}}}"}
