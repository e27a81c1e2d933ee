"""The matrix of failures on real servers: the sign-in is refused."""

import pytest

from .matrix import ALL, Expected, check, gateways, shared
from .support.courier_users import CourierUsers
from .support.cyrus import Cyrus, CyrusSettings
from .support.dovecot import Dovecot
from .support.dovecot_config import DovecotSettings
from .support.exim import Exim
from .support.fixtures import MakeCyrus, MakeDovecot, MakePostfix
from .support.home import Home
from .support.postfix import PostfixSettings

WRONG = Expected("bad_credentials", 7, "authenticate", "mailctl gateway password set")
OFF = Expected("account_disabled", 7, "authenticate", "Ask the administrator", fixer="admin")
IN_CLEAR = Expected("encryption_required", 7, "authenticate", "starttls")


@pytest.mark.parametrize("name", ALL)
def test_what_is_right_works(request: pytest.FixtureRequest, home: Home, name: str) -> None:
    """So that no other row fails for a reason of its own."""
    server = shared(request, name)
    gateways(home, server)
    gateways(home, server, "alice", security="starttls")
    assert all(found["ok"] for found in home.test("--all"))


@pytest.mark.parametrize("name", ALL)
def test_wrong_password_and_unknown_user(request: pytest.FixtureRequest, home: Home, name: str) -> None:
    """Servers tell neither from the other, so that nobody can try out names. Courier answers after five seconds."""
    server = shared(request, name)
    gateways(home, server, "bob", "not-the-password")
    gateways(home, server, "nobody-of-that-name", "not-the-password")
    for found in check(home, WRONG):
        assert "not-the-password" not in repr(found)


def test_disabled_user_on_dovecot(home: Home, dovecot: Dovecot) -> None:
    dovecot.add_user("dismissed", "dismissed-pw", "nologin")
    gateways(home, dovecot, "dismissed")
    check(home, OFF)


def test_disabled_user_on_cyrus(home: Home, make_cyrus: MakeCyrus) -> None:
    server: Cyrus = make_cyrus(CyrusSettings())
    server.deny("bob")
    gateways(home, server)
    check(home, Expected("account_restricted", 7, "authenticate", "administrator", fixer="admin"))


def test_disabled_user_on_courier(request: pytest.FixtureRequest, home: Home, courier_users: CourierUsers) -> None:
    """It says OK to the password, then that IMAP is switched off, and hangs up, at times before that gets out."""
    courier_users.add_user("dismissed", "dismissed-pw", options="disableimap=1,disablepop3=1")
    gateways(home, shared(request, "courier"), "dismissed")
    off = "protocol_disabled_admin"
    check(home, Expected(off, 7, "authenticate", "Ask the administrator", fixer="admin"), "courier-pop3-tls-dismissed")
    varying = Expected((off, "mailbox_session_refused"), 7, "authenticate", "Ask", fixer="admin")
    check(home, varying, "courier-imap-tls-dismissed")


def test_sign_in_out_of_order_on_exim(home: Home, exim: Exim) -> None:
    gateways(home, exim, "later")
    check(home, Expected("temp_unavailable", 8, "authenticate", "Try again", fixer="provider"))


def test_sign_in_out_of_order_on_postfix(home: Home, make_postfix: MakePostfix, free_port: int) -> None:
    """Without its Dovecot, it hangs up instead of greeting."""
    server = make_postfix(PostfixSettings(parameters={"smtpd_sasl_path": f"inet:127.0.0.1:{free_port}"}))
    gateways(home, server)
    check(home, Expected("eof_no_greeting", 5, "greeting", "the server's log", fixer="provider"))


@pytest.mark.parametrize("name", [name for name in ALL if name != "dovecot"])
def test_plaintext_refused(request: pytest.FixtureRequest, home: Home, name: str) -> None:
    gateways(home, shared(request, name), security="none")
    check(home, IN_CLEAR)


def test_plaintext_refused_by_dovecot(home: Home, make_dovecot: MakeDovecot) -> None:
    gateways(home, make_dovecot(DovecotSettings(plaintext_auth=False, mechanisms=("plain",))), security="none")
    check(home, IN_CLEAR)


@pytest.mark.parametrize("name", ["postfix", "exim"])
def test_no_sign_in_where_other_servers_deliver(request: pytest.FixtureRequest, home: Home, name: str) -> None:
    """The port of the MX has TLS and no AUTH."""
    server = shared(request, name)
    gateways(home, server, security="starttls", there={"smtp": server.mx})  # type: ignore[union-attr]  # a submission
    check(home, Expected("auth_not_offered", 7, "authenticate", "465 (tls) or 587 (starttls)", fixer="admin"))
