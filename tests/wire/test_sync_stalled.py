"""`mailctl sync` from servers that stop, or all but stop, in the middle of a message."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from mailctl.protocols import waits, wire
from mailctl.protocols.imap import bodies, channel
from tests.cli.support import Cli
from tests.wire.support.imap import sign_in
from tests.wire.support.scripted import Peer, ScriptedServer

BODY = 1000
ROWS = [f'* {n} FETCH (UID {n} FLAGS () RFC822.SIZE {BODY} INTERNALDATE "01-Jan-2024 00:00:00 +0000")' for n in (1, 2)]


def gateway(home: Path, port: int, protocol: str) -> Cli:
    cli = Cli(home)
    for folder, text in (
        ("servers", f'[{protocol}]\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"\n'),
        (
            "gateways",
            'server = "box"\nemail = "me@mail.test"\n[login]\nuser = "me"\nsecret = { env = "BOX_PASSWORD" }\n'
            f'[inbound]\nprotocol = "{protocol}"\n',
        ),
    ):
        path = cli.config / folder / "box.toml"
        path.parent.mkdir(parents=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(text)
    cli.env["BOX_PASSWORD"] = "x"
    return cli


def drips(peer: Peer) -> None:
    """An octet now and then: never silent for long, never done."""
    for _ in range(BODY):
        peer.send(b"x")
        peer.server.pause(0.1)


def tells(peer: Peer, command: str, messages: int = 2) -> bool:
    """Whether `command` asks what INBOX, the only folder, is like; then it is told, but for the tagged response."""
    if command.startswith("LIST"):
        peer.line('* LIST () "/" INBOX')
    elif command.startswith("STATUS"):
        peer.line(f"* STATUS INBOX (MESSAGES {messages} UIDNEXT {messages + 1} UIDVALIDITY 7)")
    elif command.startswith("EXAMINE"):
        peer.line(f"* {messages} EXISTS", "* OK [UIDVALIDITY 7] x", f"* OK [UIDNEXT {messages + 1}] x")
    else:
        return False
    return True


def imap(stops: Callable[[Peer], object]) -> Callable[[Peer], None]:
    """One message whole, unless only the next one is asked for; then half of that."""

    def script(peer: Peer) -> None:
        sign_in(peer)
        while True:
            tag, _, command = peer.read_line().decode().partition(" ")
            if not tells(peer, command) and "BODY.PEEK" not in command:
                peer.line(*ROWS)
            elif "BODY.PEEK" in command:
                if command.startswith("UID FETCH 1"):
                    peer.send(b"* 1 FETCH (UID 1 FLAGS () BODY[] {%d}\r\n%s)\r\n" % (BODY, b"x" * BODY))
                break
            peer.line(f"{tag} OK done")
        peer.send(b"* 2 FETCH (UID 2 FLAGS () BODY[] {%d}\r\n%s" % (BODY, b"x" * (BODY // 2)))
        stops(peer)
        peer.wait_for_end()

    return script


def pop3(peer: Peer) -> None:
    """The same for POP3."""
    peer.line("+OK hello")
    peer.expect("CAPA")
    peer.line("+OK", "USER", "UIDL", ".")
    for word in ("USER", "PASS"):
        peer.expect(word)
        peer.line("+OK")
    peer.expect("LIST")
    peer.line("+OK", f"1 {BODY}", f"2 {BODY}", ".")
    peer.expect("UIDL")
    peer.line("+OK", "1 a", "2 b", ".")
    if peer.number == 0:  # who comes again has the first one
        peer.expect("RETR 1")
        peer.line("+OK", "x" * BODY, ".")
    peer.expect("RETR 2")
    peer.send("+OK\r\n" + "x" * (BODY // 2))
    peer.wait_for_end()


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_G13_a_server_that_stalls_in_a_message_ends_the_sync_by_a_deadline(
    tmp_path: Path, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "STALL", 0.3)
    with ScriptedServer(imap(lambda peer: None) if protocol == "imap" else pop3) as server:
        cli = gateway(tmp_path, server.port, protocol)
        found = cli.json("sync", "box", code=5)
    assert found["error"]["cause"] == "tcp_timeout"
    assert found["result"]["gateways"][0]["fetched"] == 1, "what came whole is kept"
    assert [path.name for path in (cli.data / "mail").rglob("*/tmp/*")] == []


def test_G13_a_server_that_drips_ends_by_a_deadline_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "COMMAND", 0.4)
    monkeypatch.setattr(bodies, "SLOWEST", 1 << 20)
    with ScriptedServer(imap(drips)) as server:
        cli = gateway(tmp_path, server.port, "imap")
        found = cli.json("sync", "box", code=5)
    assert found["error"]["cause"] == "tcp_timeout"


@pytest.mark.parametrize("drop_by_drop", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("where", ["greeting", "CAPABILITY", "LIST", "EXAMINE", "UID"])
def test_G14_who_asked_for_an_end_does_not_wait_for_a_server_that_says_nothing(
    where: str, number: signal.Signals, drop_by_drop: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "LOOK_UP", 0.05)
    monkeypatch.setattr(waits, "GRACE", 0.3)

    def hangs(peer: Peer) -> None:
        os.kill(os.getpid(), number)
        if drop_by_drop:
            drips(peer)
        peer.wait_for_end()

    def script(peer: Peer) -> None:
        if where == "greeting":
            hangs(peer)
            return
        peer.line("* OK hello")
        while True:
            tag, _, command = peer.read_line().decode().partition(" ")
            if command.startswith(where):
                hangs(peer)
                return
            if not tells(peer, command) and command.startswith("CAPABILITY"):
                peer.line("* CAPABILITY IMAP4rev1")
            peer.line(f"{tag} OK done")

    with ScriptedServer(script) as server:
        cli = gateway(tmp_path, server.port, "imap")
        found = cli.json("sync", "box", code=130)
        assert server.connections == 1
    assert found["error"]["code"] == "interrupted"


@pytest.mark.parametrize("pieces", [2, 20])
def test_a_server_that_rests_in_a_message_is_waited_for(
    pieces: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "LOOK_UP", 0.02)

    def rests(peer: Peer) -> None:
        for _ in range(pieces):
            peer.server.pause(0.05)
            peer.send(b"x" * (BODY // 2 // pieces))
        peer.send(b")\r\n")

    def script(peer: Peer) -> None:
        sign_in(peer)
        while True:
            tag, _, command = peer.read_line().decode().partition(" ")
            if command.startswith("LOGOUT"):
                return
            if "BODY.PEEK" in command:
                date = "01-Jan-2024 00:00:00 +0000"
                peer.send(b'* 1 FETCH (UID 1 FLAGS () INTERNALDATE "%s" BODY[] {%d}\r\n' % (date.encode(), BODY))
                peer.send(b"x" * (BODY // 2))
                rests(peer)
            elif not tells(peer, command, 1):
                peer.line(ROWS[0])
            peer.line(f"{tag} OK done")

    with ScriptedServer(script) as server:
        cli = gateway(tmp_path, server.port, "imap")
        found = cli.json("sync", "box")
        assert server.connections == 1
    assert found["result"]["gateways"][0]["fetched"] == 1
