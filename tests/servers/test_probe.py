"""`mailctl test --send` on a real Postfix that delivers to a real Dovecot by LMTP."""

import imaplib
import ssl
from typing import Any

import pytest

from tests.servers.support.dovecot import Dovecot
from tests.servers.support.dovecot_config import DovecotSettings
from tests.servers.support.exim import Exim
from tests.servers.support.fixtures import MakeDns, MakeDovecot, MakePostfix
from tests.servers.support.home import Home
from tests.servers.support.mailbox import Mailbox
from tests.servers.support.postfix import Postfix, PostfixSettings
from tests.servers.test_submission import smtp_until_dot
from tests.wire.support.scripted import Peer, ScriptedServer


def probe(home: Home, *arguments: str, code: int = 0) -> dict[str, Any]:
    """The only probe of `mailctl test ARGUMENTS --send`."""
    found = home.cli.json("test", *arguments, "--send", code=code)
    (report,) = found["result"]["probes"]
    assert isinstance(report, dict)
    return report


def names(report: dict[str, Any]) -> set[str]:
    return {finding["name"] for finding in report["findings"]}


def imap(server: Dovecot) -> str:
    return f"imap localhost {server.imaps} tls"


def smtp(server: Postfix) -> str:
    return f"smtp localhost {server.submissions} tls"


def through(home: Home, mailbox: Mailbox, postfix: Postfix, *arguments: str, code: int = 0) -> dict[str, Any]:
    """The probe of a gateway `work` on this mailbox."""
    home.gateway("work", mailbox.user, mailbox.password, imap(mailbox.server), smtp(postfix))
    return probe(home, "work", *arguments, code=code)


def test_a_message_is_sent_found_and_removed(home: Home, mailbox: Mailbox, postfix: Postfix) -> None:
    before = mailbox.deliver("INBOX", b"Subject: mine\r\n\r\nto stay\r\n")
    report = through(home, mailbox, postfix)
    assert report["ok"], report
    assert (report["folder"], report["removed"], report["sent"]) == ("INBOX", True, "yes")
    assert 0 < report["delay_ms"] < 20_000
    assert [stage["name"] for stage in report["stages"]][-5:] == ["mail", "rcpt", "data", "find", "remove"]
    assert any(hop["by"] == "mail.test" for hop in report["hops"])
    assert names(report) == {"authentication_not_told"}
    assert [held.uid for held in mailbox.messages("INBOX")] == [before]
    assert mailbox.password not in repr(report)
    (event,) = [line for line in home.cli.json("log")["result"] if line["event"].startswith("probe.")]
    assert (event["event"], event["gateway"], event["fields"]["folder"]) == ("probe.passed", "work", "INBOX")


def test_what_people_see(home: Home, mailbox: Mailbox, postfix: Postfix) -> None:
    home.gateway("work", mailbox.user, mailbox.password, imap(mailbox.server), smtp(postfix))
    done = home.cli.run("test", "work", "--send", "--trace", terminal=True)
    assert done.code == 0
    assert "work  message to itself  arrived in" in done.out
    assert "removed again" in done.out
    assert "octets of message, and the final dot" in done.err + done.out
    assert mailbox.password not in done.err + done.out
    plain = home.cli.ok("test", "work", "--send")
    assert [row[2] for row in plain.rows] == ["imap", "smtp", "probe"]
    assert home.cli.ok("test", "work", "--send", "--quiet").out.splitlines()[-1] == "work probe ok"


def test_pop3_finds_and_removes_it_too(home: Home, mailbox: Mailbox, postfix: Postfix) -> None:
    mailbox.deliver("INBOX", b"Subject: mine\r\n\r\nto stay\r\n")
    home.gateway("work", mailbox.user, mailbox.password, f"pop3 localhost {mailbox.server.pop3s} tls", smtp(postfix))
    report = probe(home, "work")
    assert report["ok"], report
    assert (report["folder"], report["removed"]) == ("", True)
    assert len(mailbox.messages("INBOX")) == 1


def test_without_UIDPLUS_it_is_only_marked_and_nobody_elses_is_expunged(
    home: Home, make_dovecot: MakeDovecot, make_postfix: MakePostfix
) -> None:
    server = make_dovecot(DovecotSettings(without=("UIDPLUS",)))
    server.deliver("alice", "INBOX", b"Subject: mine\r\n\r\nmarked by another program\r\n", ["\\Deleted"])
    report = through(home, Mailbox(server, "alice"), make_postfix(PostfixSettings(), server))
    assert report["ok"], report
    assert report["removed"] is False
    assert "probe_left" in names(report)
    held = server.messages("alice", "INBOX")
    assert len(held) == 2
    assert all("\\Deleted" in each.flags for each in held)


@pytest.fixture
def details(home: Home, make_dovecot: MakeDovecot, make_postfix: MakePostfix) -> "tuple[Dovecot, Postfix]":
    """A mail server that files mail away as a rule would: alice's into Junk, bob's elsewhere."""
    server = make_dovecot(
        DovecotSettings(extra="recipient_delimiter = +\nprotocol lmtp {\n  lmtp_save_to_detail_mailbox = yes\n}\n")
    )
    server.create_folder("bob", "elsewhere")
    aliases = "inline:{alice@mail.test=alice+Junk@mail.test, bob@mail.test=bob+elsewhere@mail.test}"
    parameters = {"virtual_alias_maps": aliases}
    return server, make_postfix(PostfixSettings(parameters=parameters), server)


def test_the_spam_folder_is_found_and_warned_of(home: Home, details: "tuple[Dovecot, Postfix]") -> None:
    server, postfix = details
    report = through(home, Mailbox(server, "alice"), postfix)
    assert report["ok"], report
    assert (report["folder"], report["removed"]) == ("Junk", True)
    assert "probe_in_junk" in names(report)
    assert any("spam" in text for text in report["warnings"])
    assert server.messages("alice", "Junk") == []


def test_a_rule_may_file_it_anywhere(home: Home, details: "tuple[Dovecot, Postfix]") -> None:
    server, postfix = details
    report = through(home, Mailbox(server, "bob"), postfix)
    assert report["ok"], report
    assert (report["folder"], report["removed"]) == ("elsewhere", True)
    assert "probe_filed" in names(report)
    assert server.messages("bob", "elsewhere") == []


@pytest.mark.parametrize(
    ("parameters", "stage", "cause"),
    [
        (
            {"smtpd_end_of_data_restrictions": "check_client_access static:{450 4.7.1 Greylisted, try again later}"},
            "data",
            "greylisted",
        ),
        ({"header_checks": "static:{REJECT 5.7.1 message content rejected as spam}"}, "data", "spam_content"),
        ({"message_size_limit": "300"}, "mail", "size_limit"),
    ],
    ids=["greylisted", "spam", "size"],
)
def test_a_refusal_has_its_cause(
    home: Home, mailbox: Mailbox, make_postfix: MakePostfix, parameters: dict[str, str], stage: str, cause: str
) -> None:
    report = through(home, mailbox, make_postfix(PostfixSettings(parameters=parameters)), code=8)
    assert (report["stage"], report["cause"]) == (stage, cause), report
    assert (report["sent"], report["removed"], report["delay_ms"]) == ("no", False, None)
    assert report["remedy"]
    assert report["server_text"]
    assert mailbox.messages("INBOX") == []


def test_a_message_that_comes_back_is_told_with_the_reason(
    home: Home, mailbox: Mailbox, make_postfix: MakePostfix
) -> None:
    parameters = {"header_checks": "static:{FILTER error:5.2.1 mailbox disabled, not accepting messages}"}
    report = through(home, mailbox, make_postfix(PostfixSettings(parameters=parameters)), code=8)
    assert report["stage"] == "find"
    assert report["sent"] == "yes"
    assert report["server_text"] == "5.2.1 mailbox disabled, not accepting messages"
    assert "came back" in report["message"]


def test_a_full_mailbox_is_why_it_does_not_arrive(
    home: Home, make_dovecot: MakeDovecot, make_postfix: MakePostfix
) -> None:
    server = make_dovecot(DovecotSettings(quota="2k"))
    server.deliver("alice", "INBOX", b"Subject: big\r\n\r\n" + b"x" * 1800 + b"\r\n")
    report = through(home, Mailbox(server, "alice"), make_postfix(PostfixSettings(), server), "--timeout", "3", code=8)
    assert (report["stage"], report["cause"], report["sent"]) == ("find", "quota_full", "yes"), report


def test_what_does_not_arrive_in_time(home: Home, mailbox: Mailbox, make_postfix: MakePostfix) -> None:
    postfix = make_postfix(PostfixSettings(parameters={"header_checks": "static:HOLD"}))
    report = through(home, mailbox, postfix, "--timeout", "2", code=5)
    assert (report["stage"], report["cause"], report["sent"]) == ("find", "not_arrived", "yes"), report
    assert report["message_id"]


def test_what_the_receiving_server_found_of_spf_dkim_and_dmarc(
    home: Home, mailbox: Mailbox, make_postfix: MakePostfix
) -> None:
    said = "mx.test; spf=softfail smtp.mailfrom=mail.test; dkim=none; dmarc=pass (p=none) header.from=mail.test"
    parameters = {"header_checks": f"static:{{PREPEND Authentication-Results: {said}}}"}
    report = through(home, mailbox, make_postfix(PostfixSettings(parameters=parameters)))
    assert (report["spf"], report["dkim"], report["dmarc"]) == ("softfail", "none", "pass"), report
    assert report["authentication_results"]["server"] == "mx.test"
    assert names(report) == {"spf_failed", "dkim_none"}


def test_a_server_that_writes_the_password_into_the_header_shows_it_to_nobody(
    home: Home, mailbox: Mailbox, make_postfix: MakePostfix
) -> None:
    said = f"mx.test; spf=pass reason={mailbox.password} smtp.mailfrom={mailbox.password}"
    parameters = {"header_checks": f"static:{{PREPEND Authentication-Results: {said}}}"}
    report = through(home, mailbox, make_postfix(PostfixSettings(parameters=parameters)))
    assert report["spf"] == "pass"
    assert mailbox.password not in repr(report)
    terminal = home.cli.run("test", "work", "--send", "--trace", terminal=True)
    assert mailbox.password not in terminal.out + terminal.err


def test_no_message_is_sent_where_a_check_failed(home: Home, mailbox: Mailbox, postfix: Postfix) -> None:
    home.gateway("work", mailbox.user, "not-the-password", imap(mailbox.server), smtp(postfix))
    found = home.cli.json("test", "work", "--send", code=7)
    assert found["result"]["probes"] == []
    assert mailbox.messages("INBOX") == []


def test_a_gateway_that_can_only_read_sends_nothing(home: Home, mailbox: Mailbox) -> None:
    home.gateway("work", mailbox.user, mailbox.password, imap(mailbox.server))
    report = probe(home, "work", code=3)
    assert (report["cause"], report["stage"]) == ("not_configured", "config")
    assert "SMTP" in report["message"]


def test_all_gateways_are_only_written_to_with_a_yes(home: Home, mailbox: Mailbox, postfix: Postfix) -> None:
    home.gateway("work", mailbox.user, mailbox.password, imap(mailbox.server), smtp(postfix))
    refused = home.cli.json("test", "--all", "--send", code=2)
    assert "1 gateway" in refused["error"]["message"]
    assert mailbox.messages("INBOX") == []
    home.gateway("reads", mailbox.user, mailbox.password, imap(mailbox.server))
    done = home.cli.json("test", "--all", "--send", "--yes")
    assert [report["gateway"] for report in done["result"]["probes"] if report["ok"]] == ["work"]
    assert "No message was sent to reads: it has no SMTP." in home.cli.ok("test", "--all", "--send", "--yes").err


def test_one_protocol_alone_can_not_send(home: Home, mailbox: Mailbox, postfix: Postfix) -> None:
    home.gateway("work", mailbox.user, mailbox.password, imap(mailbox.server), smtp(postfix))
    for only in ("--imap", "--smtp", "--pop3"):
        refused = home.cli.json("test", "work", "--send", only, code=2)
        assert "--send needs SMTP" in refused["error"]["message"]
    assert probe(home, "work", "--imap", "--smtp")["ok"]


def test_a_bare_address_sends_to_itself_too(
    home: Home, mailbox: Mailbox, postfix: Postfix, make_dns: MakeDns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(home.certificates.ca))
    dns = make_dns(
        f"_imaps._tcp.mail.test SRV 0 1 {mailbox.server.imaps} localhost",
        f"_submissions._tcp.mail.test SRV 0 1 {postfix.submissions} localhost",
    )
    home.cli.config.mkdir(parents=True, mode=0o700)
    settings = home.cli.config / "config.toml"
    settings.write_text(f'nameserver = "{dns.host}:{dns.port}"\n')
    settings.chmod(0o600)
    given = (mailbox.address, "--password-stdin", "--login", mailbox.user, "--yes", "--send")
    found = home.cli.json("test", *given, stdin=f"{mailbox.password}\n")
    (report,) = found["result"]["probes"]
    assert report["ok"], report
    assert (report["gateway"], report["address"], report["removed"]) == ("", mailbox.address, True)
    assert mailbox.messages("INBOX") == []


def test_a_domain_beyond_ascii_travels_as_dns_spells_it(
    home: Home, mailbox: Mailbox, make_postfix: MakePostfix
) -> None:
    parameters = {
        "virtual_mailbox_domains": "mail.test, xn--mller-kva.test",
        "virtual_alias_maps": f"inline:{{me@xn--mller-kva.test={mailbox.address}}}",
        "smtpd_sender_login_maps": f"static:{mailbox.user}",
    }
    postfix = make_postfix(PostfixSettings(parameters=parameters))
    home.gateway("work", mailbox.user, mailbox.password, imap(mailbox.server), smtp(postfix))
    path = home.cli.config / "gateways/work.toml"
    path.write_text(path.read_text().replace(f"{mailbox.user}@mail.test", "me@müller.test"))
    report = probe(home, "work")
    assert report["ok"], report
    assert report["message_id"].endswith("@xn--mller-kva.test>")
    assert report["address"] == "me@müller.test"


def test_exim_and_dovecot(home: Home, dovecot: Dovecot, exim: Exim) -> None:
    home.gateway("work", "alice", "alice-pw", imap(dovecot), f"smtp localhost {exim.submissions} tls")
    report = probe(home, "work")
    assert report["ok"], report
    assert (report["folder"], report["removed"]) == ("INBOX", True)
    assert len(report["hops"]) >= 2


@pytest.mark.parametrize(("software", "protocol"), [("cyrus", "imap"), ("cyrus", "pop3"), ("courier", "imap")])
def test_cyrus_and_courier(home: Home, software: str, protocol: str, request: pytest.FixtureRequest) -> None:
    """Neither has a way of delivery in the tests: a scripted server puts the message into the mailbox."""
    server = request.getfixturevalue(software)
    trust = ssl.create_default_context(cafile=home.certificates.ca)

    def deliver(peer: Peer, message: bytes) -> None:
        with imaplib.IMAP4_SSL("localhost", server.imaps, ssl_context=trust) as client:
            client.login("alice", "alice-pw")
            client.append("INBOX", "", "", message)
        peer.line("250 2.0.0 taken")
        peer.wait_for_end()

    with ScriptedServer(smtp_until_dot(deliver)) as submission:
        port = {"imap": server.imaps, "pop3": server.pop3s}[protocol]
        home.gateway(
            "work",
            "alice",
            "alice-pw",
            f"{protocol} localhost {port} tls",
            f"smtp 127.0.0.1 {submission.port} none",
        )
        report = probe(home, "work", "--timeout", "12")
    assert report["ok"], report
    assert (report["sent"], report["removed"]) == ("yes", True)


def test_a_provider_that_writes_a_message_id_of_its_own(
    home: Home, mailbox: Mailbox, make_postfix: MakePostfix
) -> None:
    parameters = {"header_checks": "regexp:{{/^Message-ID:/ REPLACE Message-ID: <own@provider.test>}}"}
    postfix = make_postfix(PostfixSettings(parameters=parameters))
    report = through(home, mailbox, postfix, "--timeout", "5")
    assert "replace: header Message-ID: <mailctl-probe-" in postfix.log()
    assert report["ok"], report
    assert report["removed"]
    assert mailbox.messages("INBOX") == []
