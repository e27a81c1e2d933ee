"""`mailctl sync` on servers that offer less, that cut connections, and for several gateways at once."""

from pathlib import Path

import pytest

from tests.servers.support.certificates import Certificates
from tests.servers.support.dovecot_config import DovecotSettings
from tests.servers.support.fixtures import MakeDovecot
from tests.servers.support.mail import Mail
from tests.servers.support.mailbox import Mailbox
from tests.servers.syncing import SyncHome


def mails(count: int) -> list[Mail]:
    return [Mail(f"Message-ID: <{n}@x>\r\n\r\n{'x' * 3000}\r\n".encode(), ("\\Seen",) * (n % 2)) for n in range(count)]


def test_a_server_with_rfc3501_alone(tmp_path: Path, make_dovecot: MakeDovecot, certificates: Certificates) -> None:
    server = make_dovecot(DovecotSettings(without=("UIDPLUS", "CONDSTORE", "QRESYNC", "ESEARCH", "ENABLE")))
    mailbox = Mailbox(server, server.new_user())
    uids = mailbox.deliver_many("INBOX", mails(10))
    home = SyncHome(tmp_path, mailbox, certificates, "keep_on_server = false")
    report = home.sync()
    assert (report["fetched"], report["removed"]) == (10, 0)
    assert any("UIDPLUS" in warning for warning in report["warnings"])
    mailbox.set_flags("INBOX", uids[0], ["\\Flagged"])
    mailbox.deliver_many("INBOX", mails(1))
    report = home.sync()
    assert (report["fetched"], report["flagged"]) == (1, 1)
    home.assert_equals_server()


def test_several_gateways_at_once(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> None:
    mailbox.deliver_many("INBOX", mails(20))
    home = SyncHome(tmp_path, mailbox, certificates)
    text = (home.cli.config / "gateways/box.toml").read_text()
    for name in ("b", "c"):
        (home.cli.config / f"gateways/{name}.toml").write_text(text)
    (home.cli.config / "gateways/wrong.toml").write_text(text.replace(f'user = "{mailbox.user}"', 'user = "nobody"'))
    found = home.cli.json("sync", "--all", "--jobs", "3", code=7)
    reports = {report["gateway"]: report for report in found["result"]["gateways"]}
    assert {name: report["fetched"] for name, report in reports.items()} == {"b": 20, "box": 20, "c": 20, "wrong": 0}
    assert not reports["wrong"]["ok"]
    assert "mailctl test wrong" in reports["wrong"]["error"]["hint"]
    home.assert_equals_server()


def test_a_renamed_gateway_goes_on_where_it_was(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> None:
    mailbox.deliver_many("INBOX", mails(5))
    home = SyncHome(tmp_path, mailbox, certificates)
    home.sync()
    home.cli.ok("gateway", "rename", "box", "other")
    found = home.cli.json("sync", "other")
    assert found["result"]["gateways"][0]["fetched"] == 0
    home.cli.ok("gateway", "remove", "other", "--yes")
    (home.cli.data / "mail/other").rename(home.mail)
    home.set_inbound("")
    assert home.sync()["fetched"] == 0, "without its state, and under its old name again"


@pytest.mark.parametrize("hostile", ["x" * 200 + "é" * 10, "a%b", "new", "tmp/cur/new"])
def test_D3_long_and_odd_names(tmp_path: Path, mailbox: Mailbox, certificates: Certificates, hostile: str) -> None:
    mailbox.create_folder(hostile)
    mailbox.deliver_many(hostile, mails(2))
    home = SyncHome(tmp_path, mailbox, certificates)
    assert home.sync()["fetched"] == 2
    home.assert_equals_server()
    assert home.sync()["fetched"] == 0
