"""POP3 with several commands in flight: what goes out before what was answered, refusals, and servers out of step."""

import pytest

from mailctl.domain.deadline import Deadline
from mailctl.domain.mailbox import MessageMeta
from mailctl.domain.secret import Secret
from mailctl.domain.server import Endpoint, Security
from mailctl.errors import MailctlError, RefusedError
from mailctl.protocols.pop3_mailbox import IN_FLIGHT, Pop3Mailbox, open_pop3
from tests.wire.support.scripted import Peer, ScriptedServer


class Sink:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.data, self.finished, self.abandoned = b"", 0, 0

    def write(self, chunk: bytes | memoryview) -> None:
        self.data += bytes(chunk)

    def finish(self, meta: MessageMeta) -> None:
        self.finished += 1

    def abandon(self) -> None:
        self.abandoned += 1


def signed_in(peer: Peer, *, pipelining: bool = True) -> None:
    peer.line("+OK hello")
    peer.expect("CAPA")
    peer.line("+OK", "USER", "UIDL", "TOP", *(["PIPELINING"] if pipelining else []), ".")
    for word in ("USER", "PASS"):
        peer.expect(word)
        peer.line("+OK")


def connected(server: ScriptedServer) -> Pop3Mailbox:
    return open_pop3(Endpoint("127.0.0.1", server.port, Security.NONE), "me", Secret("pw"), Deadline(10))


def test_commands_go_out_before_they_are_answered() -> None:
    def script(peer: Peer) -> None:
        signed_in(peer)
        for number in range(1, IN_FLIGHT + 1):
            peer.expect(f"RETR {number}")
        for number in range(1, IN_FLIGHT + 1):
            peer.line("+OK", f"body {number}", "..", ".")
        for number in range(IN_FLIGHT + 1, IN_FLIGHT + 11):
            peer.expect(f"RETR {number}")
            peer.line("+OK" if number % 2 else "-ERR gone", *([f"body {number}", "."] if number % 2 else []))

    with ScriptedServer(script) as server:
        client, sinks = connected(server), dict[int, Sink]()

        def sink(number: int, octets: int) -> Sink:
            sinks[number] = Sink()
            return sinks[number]

        found = dict(client.retrieve_all([(n, 20) for n in range(1, IN_FLIGHT + 11)], sink))
        client.close()
    assert list(found) == list(range(1, IN_FLIGHT + 11))
    assert sinks[3].data == b"body 3\r\n.\r\n"
    assert isinstance(found[IN_FLIGHT + 2], RefusedError)
    assert found[IN_FLIGHT + 1] is None
    assert all(each.finished == 1 for each in sinks.values())


def test_without_pipelining_each_waits_for_its_answer() -> None:
    def script(peer: Peer) -> None:
        signed_in(peer, pipelining=False)
        before = len(peer.server.clear.splitlines())
        for number in (1, 2, 3):
            peer.expect(f"TOP {number} 0")
            peer.server.pause(0.02)
            assert len(peer.server.clear.splitlines()) == before + number, "nothing was sent ahead"
            peer.line(*(["-ERR no"] if number == 2 else ["+OK", f"Subject: {number}", "", "."]))
        for number in (1, 2):
            peer.expect(f"DELE {number}")
            peer.line("+OK" if number == 1 else "-ERR no")

    with ScriptedServer(script) as server:
        client = connected(server)
        assert dict(client.headers([1, 2, 3])) == {1: b"Subject: 1\n", 3: b"Subject: 3\n"}
        assert client.delete_all([1, 2]) == [2]
        client.close()


@pytest.mark.parametrize("answer", ["* OK what", "", "+OK\r\n" + "x" * 200_000])
def test_a_server_out_of_step_ends_the_connection_and_keeps_nothing(answer: str) -> None:
    def script(peer: Peer) -> None:
        signed_in(peer)
        peer.expect("RETR 1")
        peer.send(f"{answer}\r\n")

    with ScriptedServer(script) as server:
        client, sink = connected(server), Sink()
        with pytest.raises(MailctlError):
            list(client.retrieve_all([(1, 10), (2, 10)], lambda number, octets: sink))
        with pytest.raises(MailctlError):
            client.uidl()
    assert sink.finished == 0


def test_uidl_that_the_server_lacks_is_refused_with_the_way_on() -> None:
    def script(peer: Peer) -> None:
        signed_in(peer)
        peer.expect("LIST")
        peer.expect("UIDL")
        peer.line("+OK", "1 10", ".")
        peer.line("-ERR unknown command")

    with ScriptedServer(script) as server:
        client = connected(server)
        with pytest.raises(RefusedError, match="UIDL") as caught:
            client.uidl()
        client.close()
    assert caught.value.code == "no_uidl"
    assert "imap" in caught.value.hint


@pytest.mark.parametrize(
    ("told", "code"),
    [("[IN-USE] x", "mailbox_in_use"), ("[LOGIN-DELAY] x", "rate_limited_login"), ("[SYS/TEMP] x", "temp_unavailable")],
)
def test_refusals_after_a_right_password_are_no_wrong_password(told: str, code: str) -> None:
    def script(peer: Peer) -> None:
        peer.line("+OK hello")
        peer.expect("CAPA")
        peer.line("+OK", "USER", ".")
        peer.expect("USER")
        peer.line("+OK")
        peer.expect("PASS")
        peer.line(f"-ERR {told}")

    with ScriptedServer(script) as server, pytest.raises(RefusedError) as caught:
        connected(server)
    assert (caught.value.code, caught.value.cause) == (code, code)
    assert caught.value.hint
