"""From nothing to a tested gateway on real servers, by commands alone."""

import hashlib
import ssl
from pathlib import Path

from tests.cli.support import Cli
from tests.servers.support.certificates import Certificates
from tests.servers.support.mailbox import Mailbox
from tests.servers.support.postfix import Postfix


def test_a_gateway_is_tested_before_it_is_saved(
    tmp_path: Path, mailbox: Mailbox, postfix: Postfix, certificates: Certificates
) -> None:
    cli = Cli(tmp_path)
    cli.ok(
        "server", "add", "work",
        "--imap", f"localhost:{mailbox.server.imap}", "--imap-security", "starttls",
        "--pop3", f"localhost:{mailbox.server.pop3s}", "--smtp", f"localhost:{postfix.submissions}",
        "--ca-file", str(certificates.ca),
    )  # fmt: skip
    arguments = ["gateway", "add", "me", "--server", "work", "--email", mailbox.address, "--login", mailbox.user]
    arguments += ["--password-stdin", "--test"]
    refused = cli.json(*arguments, stdin="wrong\n", code=7)
    assert {check["cause"] for check in refused["result"]["checks"]} == {"bad_credentials"}
    assert refused["result"]["changed"] is False
    assert not (cli.config / "gateways").exists()
    assert cli.keyring.names == []

    added = cli.json(*arguments, stdin=f"{mailbox.password}\n")["result"]
    assert [(check["protocol"], check["ok"]) for check in added["checks"]] == [("imap", True), ("smtp", True)]
    assert mailbox.password not in repr(added)
    before = (cli.config / "gateways/me.toml").read_text()

    assert cli.run("gateway", "edit", "me", "--login", "somebody", "--test").code == 7
    assert cli.run("gateway", "edit", "me", "--password-stdin", "--test", stdin="wrong\n").code == 7
    assert (cli.config / "gateways/me.toml").read_text() == before
    mailbox.deliver("INBOX", b"Subject: one\r\n\r\nbody\r\n")
    assert cli.json("sync", "me")["result"]["gateways"][0]["fetched"] == 1
    cli.ok("gateway", "rename", "me", "you")
    cli.ok("server", "rename", "work", "job")
    again = cli.json("sync", "you")["result"]["gateways"][0]
    assert (again["ok"], again["fetched"]) == (True, 0)
    assert [path.name for path in (cli.data / "mail").iterdir()] == ["you"]
    assert {path.name.partition(".")[0] for path in (cli.state / "sync").iterdir()} == {"you"}
    cli.ok("gateway", "edit", "you", "--protocol", "pop3", "--test")
    cli.ok("gateway", "remove", "you", "--delete-mail", "--yes")
    assert not list((cli.data / "mail").iterdir()) + list((cli.state / "sync").iterdir())
    assert cli.keyring.names == []


def test_a_fingerprint_is_all_that_is_asked_of_a_certificate(
    tmp_path: Path, mailbox: Mailbox, certificates: Certificates
) -> None:
    cli = Cli(tmp_path)
    der = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("localhost", mailbox.server.imaps)))
    digest = hashlib.sha256(der).hexdigest()
    cli.ok("server", "add", "s", "--imap", f"localhost:{mailbox.server.imaps}", "--fingerprint", f"sha256:{digest}")
    arguments = ["gateway", "add", "g", "--server", "s", "--email", mailbox.address, "--login", mailbox.user]
    cli.ok(*arguments, "--password-stdin", "--test", stdin=f"{mailbox.password}\n")
    cli.ok("server", "edit", "s", "--fingerprint", f"sha256:{'0' * 64}")
    assert cli.run("test", "g").code == 6
    cli.ok("server", "edit", "s", "--fingerprint", "", "--no-verify-certificate")
    done = cli.ok("test", "g")
    assert "is not checked" in done.err
