"""What checks learn beyond sign-in, on real servers, by the whole command line."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.servers.support.dovecot import Dovecot
from tests.servers.support.dovecot_config import DovecotSettings
from tests.servers.support.fixtures import MakeDovecot, MakePostfix
from tests.servers.support.home import Home
from tests.servers.support.mailbox import Mailbox
from tests.servers.support.postfix import Postfix, PostfixSettings


def imap(server: Dovecot) -> str:
    return f"imap localhost {server.imaps} tls"


def findings(check: dict[str, Any]) -> dict[str, str]:
    assert check["ok"], check
    return {finding["name"]: finding["text"] for finding in check["findings"]}


def detail(check: dict[str, Any], stage: str) -> dict[str, Any]:
    (found,) = [each["detail"] for each in check["stages"] if each["name"] == stage]
    assert isinstance(found, dict)
    return found


def test_folders_are_looked_into_and_what_is_missing_is_told(home: Home, mailbox: Mailbox) -> None:
    for name in ("Work", "Größe & Maß", "Work/2024"):
        mailbox.create_folder(name)
    home.gateway("work", mailbox.user, mailbox.password, imap(mailbox.server))
    check = home.one("work")
    told = detail(check, "folders")
    assert (told["readable"], told["unread"], told["unreadable"]) == (told["folders"], 0, [])
    assert told["folders"] == 7
    assert told["special_use"] == {"sent": "Sent", "junk": "Junk", "trash": "Trash"}
    assert set(findings(check)) == {"special_use_missing", "no_compress"}
    assert "Drafts or Archive" in findings(check)["special_use_missing"]


def test_what_a_server_lacks_is_told_with_its_cost(home: Home, make_dovecot: MakeDovecot) -> None:
    without = ("IDLE", "CONDSTORE", "QRESYNC", "UIDPLUS", "MOVE", "SPECIAL-USE", "LIST-EXTENDED")
    server = make_dovecot(DovecotSettings(without=without))
    home.gateway("work", "alice", "alice-pw", imap(server))
    check = home.one("work")
    told = findings(check)
    assert {"no_idle", "no_condstore", "no_qresync", "no_uidplus", "no_move", "no_compress"} <= set(told)
    assert told["no_idle"] == "no IDLE: new mail is seen at the next poll, not at once"


@pytest.mark.skipif(os.geteuid() != 0, reason="takes a folder away from the account that Dovecot runs as")
def test_folders_that_do_not_open_are_named(home: Home, make_dovecot: MakeDovecot) -> None:
    server = make_dovecot(DovecotSettings(storage="maildir", layout="fs"))
    server.deliver("alice", "INBOX", b"Subject: x\r\n\r\n")
    server.create_folder("alice", "closed")
    server.create_folder("alice", "open")
    (closed,) = Path(server.doveadm("user", "-f", "home", "alice").strip()).rglob("closed")
    closed.chmod(0)
    try:
        home.gateway("work", "alice", "alice-pw", imap(server))
        check = home.one("work")
    finally:
        closed.chmod(0o700)
    told = findings(check)
    assert detail(check, "folders")["unreadable"][0]["folder"] == "closed"
    assert "'closed' does not open: \"NO " in told["folder_unreadable"]


def test_a_quota_that_is_nearly_used_up_warns(home: Home, make_dovecot: MakeDovecot) -> None:
    server = make_dovecot(DovecotSettings(quota="100k"))
    server.deliver("alice", "INBOX", b"Subject: x\r\n\r\n" + b"x" * 95_000 + b"\r\n")
    home.gateway("work", "alice", "alice-pw", imap(server))
    told = findings(home.one("work"))
    assert "93 % full" in told["quota_nearly_full"]


def test_a_server_that_passes_mail_on(home: Home, mailbox: Mailbox, make_postfix: MakePostfix) -> None:
    postfix = make_postfix(PostfixSettings(size_limit=30_000_000, parameters={"default_transport": "discard"}))
    home.gateway("work", mailbox.user, mailbox.password, f"smtp localhost {postfix.submissions} tls")
    check = home.one("work", "--smtp")
    assert detail(check, "relay")["relay"] == "relays"
    assert findings(check) == {}
    conversation = postfix.log()
    assert "rset=1" in conversation
    assert "message-id" not in conversation


def test_a_server_that_passes_no_mail_on_is_a_finding(home: Home, mailbox: Mailbox, make_postfix: MakePostfix) -> None:
    parameters = {"smtpd_relay_restrictions": "reject_unauth_destination"}
    for more in ({}, {"smtpd_discard_ehlo_keywords": "pipelining, dsn, smtputf8"}):
        postfix = make_postfix(PostfixSettings(parameters=parameters | more))
        home.gateway("work", mailbox.user, mailbox.password, f"smtp localhost {postfix.submissions} tls")
        check = home.one("work", "--smtp")
        assert detail(check, "relay")["relay"] == "relay_denied"
        assert "Relay access denied" in findings(check)["relay_denied"]
        assert {"no_pipelining", "no_dsn", "no_smtputf8"} <= set(findings(check)) or not more
        assert "rset=1" in postfix.log()


def test_a_domain_that_is_not_passed_on_for_another_reason_says_nothing(
    home: Home, mailbox: Mailbox, postfix: Postfix
) -> None:
    home.gateway("work", mailbox.user, mailbox.password, f"smtp localhost {postfix.submissions} tls")
    check = home.one("work", "--smtp")
    assert detail(check, "relay")["relay"] == "unknown"
    assert set(findings(check)) == {"message_size_small"}


def test_an_attachment_limit_that_the_server_does_not_take(
    home: Home, mailbox: Mailbox, make_postfix: MakePostfix
) -> None:
    postfix = make_postfix(PostfixSettings(size_limit=10_000_000))
    home.gateway("work", mailbox.user, mailbox.password, f"smtp localhost {postfix.submissions} tls")
    path = home.cli.config / "gateways/work.toml"
    path.write_text(path.read_text() + '[outbound]\nattachment_limit = "25MB"\n')
    told = findings(home.one("work", "--smtp"))
    assert "10.0 MB" in told["attachment_limit_too_high"]
    assert "25.0 MB" in told["attachment_limit_too_high"]


@pytest.mark.parametrize(
    ("parameters", "cause"),
    [
        ({"smtpd_recipient_restrictions": "check_client_access static:{450 4.7.1 Greylisted, wait}"}, "greylisted"),
        ({}, "sender_not_permitted"),
    ],
)
def test_a_transaction_that_is_refused_is_reset(
    home: Home, mailbox: Mailbox, make_postfix: MakePostfix, parameters: dict[str, str], cause: str
) -> None:
    postfix = make_postfix(PostfixSettings(parameters=parameters))
    home.gateway("work", mailbox.user, mailbox.password, f"smtp localhost {postfix.submissions} tls")
    path = home.cli.config / "gateways/work.toml"
    if cause == "sender_not_permitted":
        path.write_text(path.read_text().replace(f'email = "{mailbox.user}@', 'email = "bob@'))
    check = home.one("work", "--smtp", code=8)
    assert (check["stage"], check["cause"]) == ("rcpt", cause), check
    assert "rset=1" in postfix.log()


def test_pop3_tells_what_it_lacks(home: Home, mailbox: Mailbox) -> None:
    home.gateway("work", mailbox.user, mailbox.password, f"pop3 localhost {mailbox.server.pop3s} tls")
    check = home.one("work")
    assert detail(check, "stat")["uidl"] is True
    assert findings(check) == {}


def test_a_monitor_does_not_ask_about_relaying(home: Home, mailbox: Mailbox, make_postfix: MakePostfix) -> None:
    postfix = make_postfix(PostfixSettings(parameters={"smtpd_relay_restrictions": "reject_unauth_destination"}))
    home.gateway("work", mailbox.user, mailbox.password, f"smtp localhost {postfix.submissions} tls")
    done = home.cli.run("test", "work", "--smtp", "--format", "prometheus")
    assert done.code == 0, done.err
    assert 'stage="rcpt"' in done.out
    assert 'stage="relay"' not in done.out
    log = postfix.log()
    assert "example.com" not in log
    assert "rset=1" in log
