"""`mailctl test` on real servers, by the whole command line. How failures are named: see `test_matrix_*.py`."""

import pytest

from tests.servers.support.dovecot import Dovecot
from tests.servers.support.fixtures import MakeDns
from tests.servers.support.home import Home
from tests.servers.support.mailbox import Mailbox
from tests.servers.support.postfix import Postfix


def imap(server: Dovecot, security: str = "tls", host: str = "localhost") -> str:
    return f"imap {host} {server.imaps if security == 'tls' else server.imap} {security}"


def test_all_protocols_and_securities_work(home: Home, mailbox: Mailbox, postfix: Postfix) -> None:
    server = mailbox.server
    ways = {
        "tls": (imap(server), f"smtp localhost {postfix.submissions} tls"),
        "start": (imap(server, "starttls"), f"smtp localhost {postfix.submission} starttls"),
        "pop": (f"pop3 localhost {server.pop3s} tls",),
        "popstart": (f"pop3 localhost {server.pop3} starttls",),
    }
    for name, endpoints in ways.items():
        home.gateway(name, mailbox.user, mailbox.password, *endpoints)
    checks = home.test("--all")
    assert [check["ok"] for check in checks] == [True] * 6
    assert {check["protocol"] for check in checks if check["gateway"] == "tls"} == {"imap", "smtp"}
    first = checks[0]
    assert [stage["status"] for stage in first["stages"]] == ["passed"] * len(first["stages"])
    details = {stage["name"]: stage["detail"] for stage in first["stages"]}
    assert details["authenticate"]["mechanism"]
    assert mailbox.password not in repr(checks)


def test_the_log_has_each_check(home: Home, mailbox: Mailbox) -> None:
    home.gateway("work", mailbox.user, mailbox.password, imap(mailbox.server))
    home.gateway("wrong", mailbox.user, "not-the-password", imap(mailbox.server))
    home.test("--all", code=7)
    log = home.cli.json("log")["result"]
    events = {line["gateway"]: line for line in log if line["event"].startswith("check.")}
    assert events["work"]["event"] == "check.passed"
    assert events["wrong"]["event"] == "check.failed"
    assert events["wrong"]["fields"]["cause"] == "bad_credentials"
    assert events["wrong"]["fields"]["stage"] == "authenticate"
    assert events["wrong"]["protocol"] == "imap"


def test_a_pinned_certificate_works_and_another_is_refused(home: Home, mailbox: Mailbox) -> None:
    good = home.certificates.good.sha256
    other = home.certificates.rsa.sha256
    home.gateway(
        "good", mailbox.user, mailbox.password, imap(mailbox.server), trust=f'fingerprints = ["sha256:{good}"]'
    )
    home.gateway(
        "other", mailbox.user, mailbox.password, imap(mailbox.server), trust=f'fingerprints = ["sha256:{other}"]'
    )
    ok, refused = home.test("good", "other", code=6)
    assert ok["ok"]
    assert refused["cause"] == "tls_verify_failed"
    assert "pinned" in refused["explanation"]


def test_verification_off_warns_each_time(home: Home, mailbox: Mailbox) -> None:
    home.gateway("work", mailbox.user, mailbox.password, imap(mailbox.server), trust="verify = false")
    done = home.cli.ok("test", "work")
    assert "verif" in done.err


def test_several_different_failures_have_their_own_code(home: Home, mailbox: Mailbox, free_port: int) -> None:
    home.gateway("down", "alice", "alice-pw", f"imap localhost {free_port} tls")
    home.gateway("wrong", mailbox.user, "not-the-password", imap(mailbox.server))
    home.gateway("well", mailbox.user, mailbox.password, imap(mailbox.server))
    checks = home.test("down", "wrong", "well", code=12)
    assert [check["ok"] for check in checks] == [False, False, True]
    done = home.cli.run("test", "--all", terminal=True)
    assert done.code == 12
    assert done.out.count("  FAILED in ") == 2
    assert f"well  IMAP  localhost:{mailbox.server.imaps}  works" in done.out


def test_a_secret_that_is_not_there(home: Home, mailbox: Mailbox) -> None:
    home.gateway("work", mailbox.user, "", imap(mailbox.server))
    check = home.one("work", code=4)
    assert (check["stage"], check["cause"]) == ("secret", "secret_unavailable")


def test_the_trace_shows_the_conversation_without_the_password(home: Home, mailbox: Mailbox, postfix: Postfix) -> None:
    home.gateway(
        "work", mailbox.user, mailbox.password, imap(mailbox.server), f"smtp localhost {postfix.submissions} tls"
    )
    done = home.cli.ok("test", "work", "--trace")
    assert "AUTHENTICATE" in done.err
    assert "EHLO" in done.err
    assert mailbox.password not in done.err + done.out


def test_a_bare_address_is_looked_up_and_nothing_saved(
    home: Home, dovecot: Dovecot, make_dns: MakeDns, monkeypatch: pytest.MonkeyPatch
) -> None:
    dns = make_dns(f"_imaps._tcp.mail.test SRV 0 1 {dovecot.imaps} localhost")
    home.cli.config.mkdir(parents=True, mode=0o700)
    settings = home.cli.config / "config.toml"
    settings.write_text(f'nameserver = "{dns.host}:{dns.port}"\n')
    settings.chmod(0o600)
    before = sorted(home.cli.config.rglob("*"))
    given = ("alice@mail.test", "--password-stdin", "--login", "alice")
    refused = home.cli.json("test", *given, stdin="alice-pw\n", code=2)["error"]
    assert "localhost, which DNS alone names" in refused["message"]
    check = home.one(*given, "--yes", stdin="alice-pw\n", code=6)
    assert (check["gateway"], check["address"]) == ("", "alice@mail.test")
    assert check["cause"] in ("tls_unknown_issuer", "tls_self_signed", "tls_intercepted")  # only the system's store
    assert sorted(home.cli.config.rglob("*")) == before
    assert home.cli.keyring.names == []
    assert not any(name.startswith("alice") for _, name in dns.queries())
