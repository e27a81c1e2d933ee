"""`mailctl sync` on servers that offer less, that cut connections, and for several gateways at once."""

import os
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.servers.support.certificates import Certificates
from tests.servers.support.dovecot_config import DovecotSettings
from tests.servers.support.fixtures import MakeDovecot
from tests.servers.support.mail import Mail
from tests.servers.support.mailbox import Mailbox
from tests.servers.syncing import SyncHome

CUTS = int(os.environ.get("MAILCTL_CRASH_CUTS", "12"))


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


@contextmanager
def cutting(port: int, octets: int) -> Iterator[int]:
    """A port that leads to `port` and cuts each connection after so many octets from the server."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def pump(source: socket.socket, target: socket.socket, most: int | None) -> None:
            try:
                while data := source.recv(65536 if most is None else min(65536, most)):
                    target.sendall(data)
                    if most is not None:
                        most -= len(data)
                        if most <= 0:
                            break
            except OSError:
                pass
            for each in (source, target):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                with client, socket.create_connection(("127.0.0.1", port)) as server:
                    upward = threading.Thread(target=pump, args=(client, server, None))
                    upward.start()
                    pump(server, client, octets)
                    upward.join()

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_G6_connections_cut_anywhere(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> None:
    mailbox.deliver_many("INBOX", mails(60))
    made = random.Random(3)
    home = SyncHome(tmp_path, mailbox, certificates)
    file = home.cli.config / "servers/dovecot.toml"
    honest = file.read_text()
    codes = set()
    for _ in range(CUTS):
        with cutting(mailbox.server.imaps, made.randrange(1000, 150_000)) as port:
            file.write_text(honest.replace(f"port = {mailbox.server.imaps}", f"port = {port}"))
            done = home.cli.run("sync", "box", "--json")
        codes.add(done.code)
        assert done.code in (0, 5, 6), done.err
        assert not list(home.mail.glob("*/tmp/*"))
    assert codes & {5, 6}, "a lost connection is told"
    file.write_text(honest)
    home.sync()
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
