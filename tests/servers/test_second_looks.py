"""Second looks on real servers: whose MX the domain has, which ports answer, both by the whole command line."""

import socket
from contextlib import closing

import pytest

from tests.servers.support.dns_server import DnsServer
from tests.servers.support.fixtures import MakeDns
from tests.servers.support.home import Home
from tests.servers.support.mailbox import Mailbox
from tests.servers.support.postfix import Postfix


def ask(home: Home, dns: DnsServer) -> None:
    """Have the commands of `home` ask `dns`."""
    home.cli.config.mkdir(parents=True, mode=0o700, exist_ok=True)
    settings = home.cli.config / "config.toml"
    settings.write_text(f'nameserver = "{dns.host}:{dns.port}"\n')
    settings.chmod(0o600)


def refused(home: Home, mailbox: Mailbox, *records: str, dns: DnsServer) -> str:
    """The explanation and the steps of a sign-in that is refused."""
    ask(home, dns)
    home.gateway("work", mailbox.user, "wrong-pw-4711", f"imap localhost {mailbox.server.imaps} tls")
    check = home.one("work", code=7)
    assert check["cause"] == "bad_credentials"
    assert dns.queries() == [("MX", "mail.test")]  # the domain, once, and nothing of the address
    return " ".join([check["explanation"], *check["remedy"]])


def test_the_mail_of_the_domain_is_at_a_provider(home: Home, mailbox: Mailbox, make_dns: MakeDns) -> None:
    dns = make_dns("mail.test MX 20 alt1.aspmx.l.google.com", "mail.test MX 10 aspmx.l.google.com")
    said = refused(home, mailbox, dns=dns)
    assert "Mail for mail.test arrives at Google Workspace (MX aspmx.l.google.com), and localhost is none" in said
    assert "`mailctl gateway edit work --server google-workspace`" in said


def test_the_domain_does_not_exist(home: Home, mailbox: Mailbox, make_dns: MakeDns) -> None:
    assert "There is no domain mail.test." in refused(home, mailbox, dns=make_dns())


def test_mail_that_is_served_where_it_arrives_needs_no_word(home: Home, mailbox: Mailbox, make_dns: MakeDns) -> None:
    assert "mail.test" not in refused(home, mailbox, dns=make_dns("mail.test MX 10 mx.mail.test"))


def test_many_gateways_ask_once(home: Home, mailbox: Mailbox, make_dns: MakeDns) -> None:
    dns = make_dns("mail.test MX 10 mx.mail.test")
    ask(home, dns)
    for name in ("one", "two", "three"):
        home.gateway(name, mailbox.user, "wrong-pw-4711", f"imap localhost {mailbox.server.imaps} tls")
    home.test("--all", "--jobs", "1", code=7)
    assert dns.queries() == [("MX", "mail.test")]


def test_a_name_server_that_is_silent_holds_nothing_up(home: Home, mailbox: Mailbox) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as silent:
        silent.bind(("127.0.0.1", 0))
        home.cli.config.mkdir(parents=True, mode=0o700, exist_ok=True)
        settings = home.cli.config / "config.toml"
        settings.write_text(f'nameserver = "127.0.0.1:{silent.getsockname()[1]}"\n')
        settings.chmod(0o600)
        home.gateway("work", mailbox.user, "wrong-pw-4711", f"imap localhost {mailbox.server.imaps} tls")
        check = home.one("work", code=7)
    assert check["cause"] == "bad_credentials"


def test_another_port_answers(home: Home, mailbox: Mailbox, postfix: Postfix, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual ports, as far as the tests have them: where Dovecot and Postfix listen here."""
    from mailctl.diagnosis.closer import looks
    from mailctl.domain.server import Protocol, Security

    server = mailbox.server
    monkeypatch.setitem(looks.USUAL, Protocol.IMAP, ((server.imaps, Security.TLS), (server.imap, Security.STARTTLS)))
    monkeypatch.setitem(
        looks.USUAL, Protocol.SMTP, ((postfix.submissions, Security.TLS), (postfix.submission, Security.STARTTLS))
    )
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        home.gateway("work", mailbox.user, mailbox.password, f"imap localhost {port} tls", f"smtp localhost {port} tls")
        inbound, outbound = home.test("work", code=5)
    assert inbound["cause"] == outbound["cause"] == "tcp_refused"
    assert f"Port {server.imaps} answers with IMAP over TLS." in inbound["explanation"]
    assert f"`mailctl server edit work --imap localhost:{server.imaps} --imap-security tls`" in inbound["remedy"][0]
    assert f"Port {postfix.submission} answers with SMTP." in outbound["explanation"]
    assert f"--smtp localhost:{postfix.submissions} --smtp-security tls`" in outbound["remedy"][0]
