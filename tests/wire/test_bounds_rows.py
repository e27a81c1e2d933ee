"""Rows B1 to B4, B8 to B10, B12, B13 of the hardening catalogue, for POP3 and SMTP; and how passwords travel."""

import itertools

import pytest

from mailctl.domain.deadline import Deadline
from mailctl.domain.mailbox import MessageMeta
from mailctl.domain.secret import Secret, mask
from mailctl.domain.server import Endpoint, Protocol, Security
from mailctl.errors import AuthError, NetworkError, ProtocolError, RefusedError, SecretError, UsageError
from mailctl.protocols.pop3 import pop3_session
from mailctl.protocols.pop3_mailbox import Pop3Mailbox, open_pop3
from mailctl.protocols.resolve import resolve
from mailctl.protocols.smtp import smtp_session
from mailctl.protocols.transcript import Transcript
from mailctl.protocols.wire import Wire
from tests.servers.support.certificates import Certificates
from tests.wire.support.dialects import POP3, SMTP, Dialect
from tests.wire.support.jobs import Climbed, job
from tests.wire.support.scripted import Peer, Script, ScriptedServer, says

both = pytest.mark.parametrize("dialect", [POP3, SMTP], ids=["pop3", "smtp"])
INJECTIONS = ["a\r\nDELE 1", "a\nQUIT", "a\rX", "a\0b", "\udcff", "x" * 9000]


class Sink:
    """Keeps a body, or at most the length of it."""

    def __init__(self) -> None:
        self.size = 0
        self.data = b""
        self.meta: MessageMeta | None = None
        self.abandoned = False

    def __call__(self, octets: int) -> "Sink":
        return self

    def write(self, chunk: bytes | memoryview) -> None:
        self.size += len(chunk)
        self.data = (self.data + chunk)[:1000]

    def finish(self, meta: MessageMeta) -> None:
        self.meta = meta

    def abandon(self) -> None:
        self.abandoned = True


def in_clear(dialect: Dialect) -> Script:
    """A server that offers what it has without TLS, as loopback may."""

    def script(peer: Peer) -> None:
        peer.line(dialect.greeting)
        peer.expect(dialect.ask)
        peer.line(*dialect.silence)
        peer.expect("AUTH PLAIN")
        peer.line("-ERR no" if dialect is POP3 else "535 5.7.8 no")
        peer.wait_for_end()

    return script


def mailbox(server: ScriptedServer) -> Pop3Mailbox:
    """The mailbox of a scripted server that takes everything."""
    return open_pop3(Endpoint("localhost", server.port, Security.NONE), "alice", Secret("pw-of-alice"), Deadline(10))


def signed_in(*then: bytes) -> Script:
    """A script that lets the client in by USER and PASS, answers one command with `then`, and the rest with +OK."""

    def script(peer: Peer) -> None:
        peer.line("+OK hi")
        peer.expect("CAPA")
        peer.line("-ERR what")
        peer.expect("USER")
        peer.line("+OK")
        peer.expect("PASS")
        peer.line("+OK")
        for answer in then:
            peer.read_line()
            peer.send(answer)
        peer.wait_for_end()

    return script


@both
@pytest.mark.parametrize("user", INJECTIONS)
def test_B1_B2_B3_B4_a_user_name_with_line_breaks_is_rejected_before_anything_of_it_is_sent(
    dialect: Dialect, user: str, certificates: Certificates
) -> None:
    with ScriptedServer(in_clear(dialect)) as server:
        climbed = Climbed(
            dialect.session(
                job(dialect.protocol, server.port, Security.NONE, None, user=user), Secret("pw"), Deadline(5)
            )
        )
        assert climbed.failed == "authenticate"
        assert isinstance(climbed.error, UsageError)
        assert b"AUTH" not in server.clear
        assert b"USER" not in server.clear


@both
@pytest.mark.parametrize("password", INJECTIONS)
def test_B4_a_password_with_line_breaks_is_rejected_and_never_quoted(
    dialect: Dialect, password: str, certificates: Certificates
) -> None:
    with ScriptedServer(in_clear(dialect)) as server:
        check = job(dialect.protocol, server.port, Security.NONE, None)
        climbed = Climbed(dialect.session(check, Secret(password), Deadline(5)))
        assert isinstance(climbed.error, UsageError)
        assert password not in climbed.error.message
        assert b"AUTH" not in server.clear


def test_B4_pop3_user_is_checked_where_there_is_no_sasl_either() -> None:
    with ScriptedServer(signed_in()) as server:
        check = job(Protocol.POP3, server.port, Security.NONE, None, user="alice\r\nDELE 1")
        assert isinstance(Climbed(pop3_session(check, Secret("pw"), Deadline(5))).error, UsageError)
        assert b"alice" not in server.clear


@pytest.mark.parametrize("address", ["a\r\nDATA@mail.test", "a@mail.test\r\nDATA", "a b@mail.test", "<a>@mail.test"])
def test_B4_an_address_with_line_breaks_is_rejected(address: str) -> None:
    def script(peer: Peer) -> None:
        peer.line(SMTP.greeting)
        peer.expect("EHLO")
        peer.line(*SMTP.silence)
        peer.expect("AUTH PLAIN")
        peer.line("235 in")
        peer.wait_for_end()

    with ScriptedServer(script) as server:
        check = job(Protocol.SMTP, server.port, Security.NONE, None, address=address)
        climbed = Climbed(smtp_session(check, Secret("pw"), Deadline(5)))
        assert climbed.failed == "mail"
        assert isinstance(climbed.error, UsageError)
        assert b"MAIL" not in server.clear


@pytest.mark.parametrize("octets", [99_999_999_999, -1])
def test_B8_B9_a_string_of_absurd_length_is_a_typed_error(octets: int) -> None:
    with ScriptedServer(says("x")) as server:
        wire = connected(server)
        with pytest.raises(ProtocolError):
            wire.read(octets, most=1 << 20)
        wire.close()


@pytest.mark.parametrize("listing", [b"1 99999999999999999999\r\n", b"1 -5\r\n", b"1 x\r\n"])
def test_B8_B9_pop3_sizes_are_checked(listing: bytes) -> None:
    with ScriptedServer(signed_in(b"+OK\r\n" + listing + b".\r\n", b"+OK\r\n1 abc\r\n.\r\n")) as server:
        client = mailbox(server)
        with pytest.raises(ProtocolError):
            client.uidl()
        client.close()


@pytest.mark.parametrize(
    "listing",
    [b"0 a\r\n", b"4294967296000 a\r\n", b"-1 a\r\n", b"1\r\n", b"1 a b\r\n", b"1 \x1b[2J\r\n", b"1 a\r\n1 b\r\n"],
)
def test_B14_pop3_listings_are_checked(listing: bytes) -> None:
    with ScriptedServer(signed_in(b"+OK\r\n1 100\r\n.\r\n", b"+OK\r\n" + listing + b".\r\n")) as server:
        client = mailbox(server)
        with pytest.raises(ProtocolError):
            client.uidl()
        client.close()


@both
def test_B10_one_line_of_20_MB_is_bounded(dialect: Dialect, certificates: Certificates) -> None:
    def script(peer: Peer) -> None:
        peer.send(dialect.greeting)
        for _ in range(20):
            peer.send(b"x" * (1 << 20))

    with ScriptedServer(script) as server:
        climbed = dialect.climb(server, Security.STARTTLS, certificates.ca)
    assert isinstance(climbed.error, ProtocolError)
    assert climbed.error.code in ("line_too_long", "too_much")


@both
@pytest.mark.parametrize("stage", ["greeting", "ask"])
def test_B12_endless_lines_are_bounded(dialect: Dialect, stage: str, certificates: Certificates) -> None:
    endless = b"250-more of it\r\n" if dialect is SMTP else b"MORE-OF-IT\r\n"

    def script(peer: Peer) -> None:
        if stage == "greeting" and dialect is SMTP:
            endless_greeting = itertools.repeat(b"220-more of it\r\n" * 1000)
            for each in endless_greeting:
                peer.send(each)
        peer.line(dialect.greeting)
        peer.expect(dialect.ask)
        peer.send(b"+OK\r\n" if dialect is POP3 else b"")
        while True:
            peer.send(endless * 1000)

    with ScriptedServer(script) as server:
        climbed = dialect.climb(server, Security.STARTTLS, certificates.ca)
    assert isinstance(climbed.error, ProtocolError)
    assert climbed.error.code == "too_much"


def test_B12_a_dripping_reply_ends_with_the_deadline_for_the_whole() -> None:
    def script(peer: Peer) -> None:
        for octet in itertools.cycle(b"220-drip \r\n"):
            peer.send(bytes([octet]))
            peer.server.pause(0.05)

    with ScriptedServer(script) as server:
        check = job(Protocol.SMTP, server.port, Security.NONE, None)
        climbed = Climbed(smtp_session(check, None, Deadline(1)))
    assert isinstance(climbed.error, NetworkError)
    assert climbed.cause == "tcp_timeout"
    assert climbed.seconds < 3


def test_B13_an_endless_message_is_bounded_by_what_was_announced() -> None:
    def script(peer: Peer) -> None:
        peer.line("+OK hi")
        for answer in ("-ERR what", "+OK", "+OK", "+OK"):
            peer.read_line()
            peer.line(answer)
        while True:
            peer.send(b"more of it\r\n" * 5000)

    with ScriptedServer(script) as server:
        client = mailbox(server)
        sink = Sink()
        with pytest.raises(ProtocolError):
            client.retrieve(1, 1000, sink)
        assert sink.abandoned
        assert sink.meta is None
        assert sink.size < 1 << 20


def test_G6_a_cut_message_is_abandoned() -> None:
    def script(peer: Peer) -> None:
        peer.line("+OK hi")
        for answer in ("-ERR what", "+OK", "+OK", "+OK"):
            peer.read_line()
            peer.line(answer)
        peer.send(b"Subject: cut\r\n\r\nhalf a li")

    with ScriptedServer(script) as server:
        client = mailbox(server)
        sink = Sink()
        with pytest.raises(NetworkError):
            client.retrieve(1, 1000, sink)
        assert sink.abandoned
        assert sink.meta is None


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_body_is_the_same_however_it_is_cut_into_segments(size: int) -> None:
    body = b"..a\r\n...\r\n.. \r\n\r\nx.\r\n..\r\nb\n..c\r\n..\rd\r\n"
    answer = b"+OK\r\n" + body + b".\r\n"

    def script(peer: Peer) -> None:
        peer.line("+OK hi")
        for reply in ("-ERR what", "+OK", "+OK"):
            peer.read_line()
            peer.line(reply)
        peer.read_line()
        for start in range(0, len(answer), size):
            peer.send(answer[start : start + size])
            peer.server.pause(0.001)
        peer.wait_for_end()

    with ScriptedServer(script) as server:
        client = mailbox(server)
        sink = Sink()
        client.retrieve(1, len(body), sink)
        assert sink.data == b".a\r\n..\r\n. \r\n\r\nx.\r\n.\r\nb\n.c\r\n.\rd\r\n"
        assert sink.meta == MessageMeta(uid=0, size=len(sink.data))
        client.close()


def test_quit_that_is_not_confirmed_raises() -> None:
    with ScriptedServer(signed_in(b"-ERR some messages were not removed\r\n")) as server:
        client = mailbox(server)
        with pytest.raises(RefusedError):
            client.quit()
        with pytest.raises(NetworkError):
            client.delete(1)


# -- how passwords travel


class Elsewhere(Wire):
    """A wire that believes its loopback peer to be elsewhere."""

    loopback = False


@both
@pytest.mark.parametrize("allowed", [False, True])
def test_without_tls_a_password_goes_only_where_endpoint_and_gateway_say_so(
    dialect: Dialect, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailctl.protocols.session.Wire", Elsewhere)
    with ScriptedServer(in_clear(dialect)) as server:
        check = job(dialect.protocol, server.port, Security.NONE, None, allow_plaintext=allowed)
        climbed = Climbed(dialect.session(check, Secret("canary-4712"), Deadline(5)))
        assert climbed.failed == "authenticate"
        assert isinstance(climbed.error, AuthError)
        assert climbed.cause == ("" if allowed else "encryption_required")
        assert (b"AUTH" in server.clear) is allowed


@both
def test_only_one_attempt_is_made_to_sign_in(dialect: Dialect) -> None:
    with ScriptedServer(in_clear(dialect)) as server:
        check = job(dialect.protocol, server.port, Security.NONE, None)
        climbed = Climbed(dialect.session(check, Secret("pw-pw-pw"), Deadline(5)))
        assert isinstance(climbed.error, AuthError)
        assert server.clear.count(b"AUTH") == 1
        assert b"USER" not in server.clear
        assert server.connections == 1


def test_a_pop3_password_beyond_ascii_without_sasl_is_a_clear_error() -> None:
    with ScriptedServer(signed_in()) as server:
        check = job(Protocol.POP3, server.port, Security.NONE, None)
        climbed = Climbed(pop3_session(check, Secret("pässwörd"), Deadline(5)))
        assert climbed.cause == "charset_password"
        assert b"USER" not in server.clear


@both
def test_an_empty_password_is_not_sent(dialect: Dialect) -> None:
    with ScriptedServer(in_clear(dialect)) as server:
        check = job(dialect.protocol, server.port, Security.NONE, None)
        assert isinstance(Climbed(dialect.session(check, Secret(""), Deadline(5))).error, SecretError)


@both
def test_E3_a_password_that_the_server_quotes_is_masked(dialect: Dialect) -> None:
    quoted = ""

    def script(peer: Peer) -> None:
        nonlocal quoted
        peer.line(dialect.greeting)
        peer.expect(dialect.ask)
        peer.line(*dialect.silence)
        quoted = peer.expect("AUTH PLAIN")
        peer.line(f"-ERR what is {quoted}?" if dialect is POP3 else f"501 what is {quoted}?")
        peer.wait_for_end()

    with ScriptedServer(script) as server:
        transcript = Transcript()
        check = job(dialect.protocol, server.port, Security.NONE, None)
        maker = pop3_session if dialect is POP3 else smtp_session
        climbed = Climbed(maker(check, Secret("quoted-4713"), Deadline(5), transcript))
        assert climbed.error is not None
        encoded = quoted.split()[-1]
        assert encoded in climbed.error.server_text
        assert encoded not in mask(climbed.error.server_text)
        assert not any(encoded in line for line in transcript.lines())


def connected(server: ScriptedServer) -> Wire:
    """A wire to a scripted server."""
    endpoint = Endpoint("localhost", server.port, Security.NONE)
    deadline = Deadline(5)
    return Wire.connect(endpoint, resolve("localhost", server.port, deadline), deadline)
