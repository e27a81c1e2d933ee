"""SASL mechanisms without a socket, and which one is taken."""

import hashlib
from base64 import b64decode, b64encode

import pytest
from scramp import ScramMechanism

from mailctl.domain.secret import Secret
from mailctl.domain.server import Endpoint, Security
from mailctl.errors import AuthError, ProtocolError, SecretError, UsageError
from mailctl.protocols import sasl
from mailctl.protocols.mechanism import Mechanism

HERE = Endpoint("mail.test", 993, Security.TLS)
ALL = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "GSSAPI"]


def chosen(offered: list[str], *, verified: bool = True, password: str = "pw") -> str:
    return sasl.choose(offered, "alice", Secret(password), HERE, verified=verified).name


def test_the_strongest_comes_first_where_nobody_vouches_for_the_peer() -> None:
    assert chosen(ALL, verified=False) == "SCRAM-SHA-256"
    assert chosen(["plain", "scram-sha-1"], verified=False) == "SCRAM-SHA-1"
    assert chosen(["PLAIN", "CRAM-MD5"], verified=False) == "CRAM-MD5"


def test_what_works_for_every_account_comes_first_where_tls_vouches_for_the_peer() -> None:
    assert chosen(ALL) == "PLAIN"
    assert chosen(["CRAM-MD5", "SCRAM-SHA-1"]) == "SCRAM-SHA-1"
    assert chosen(["CRAM-MD5"]) == "CRAM-MD5"


def test_nothing_usable_on_offer() -> None:
    with pytest.raises(AuthError) as caught:
        chosen(["XOAUTH2", "GSSAPI"])
    assert caught.value.cause == "auth_not_offered"
    assert caught.value.server_text == "GSSAPI XOAUTH2"


def test_a_password_that_saslprep_forbids_goes_by_another_mechanism_or_not_at_all() -> None:
    assert chosen(["SCRAM-SHA-256", "PLAIN"], password="bell\x07") == "PLAIN"
    with pytest.raises(AuthError) as caught:
        chosen(["SCRAM-SHA-256"], password="bell\x07")
    assert caught.value.cause == "charset_password"
    assert "bell" not in str(caught.value)


@pytest.mark.parametrize("password", ["a\nb", "a\rb", "a\0b"])
def test_line_breaks_are_refused(password: str) -> None:
    with pytest.raises(UsageError):
        chosen(ALL, password=password)


def test_an_empty_password_is_refused() -> None:
    with pytest.raises(SecretError):
        chosen(ALL, password="")


def test_plain_is_rfc_4616() -> None:
    mechanism = sasl.mechanism("PLAIN", "tim", Secret("tänstaaftanstaaf"), HERE)
    assert mechanism.step(b"") == "\0tim\0tänstaaftanstaaf".encode()


def test_login_answers_two_questions_and_no_third() -> None:
    mechanism = sasl.mechanism("LOGIN", "tim", Secret("pässword"), HERE)
    assert mechanism.step(b"User Name") == b"tim"
    assert mechanism.step(b"Password") == "pässword".encode()
    with pytest.raises(ProtocolError):
        mechanism.step(b"Again")


def test_cram_md5_is_the_example_of_rfc_2195() -> None:
    mechanism = sasl.mechanism("CRAM-MD5", "tim", Secret("tanstaaftanstaaf"), HERE)
    assert mechanism.step(b"<1896.697170952@postoffice.reston.mci.net>") == b"tim b913a602c7eda7a495b4e6e7334d3890"


class Server:
    """The other side of an exchange by `converse`, for SCRAM."""

    def __init__(self, name: str, password: str, *, lies: bool = False, proves: bool = True) -> None:
        made = ScramMechanism(name)
        info = made.make_auth_info(password)
        self.server = made.make_server(lambda user: info)
        self.lies, self.proves, self.stage = lies, proves, 0

    def begin(self, name: str, initial: str | None) -> str | None:
        assert initial is not None
        self.server.set_client_first(b64decode(initial).decode())
        return b64encode(str(self.server.get_server_first()).encode()).decode()

    def answer(self, response: str) -> str | None:
        self.stage += 1
        if self.stage == 2:
            assert response == ""
            return None
        self.server.set_client_final(b64decode(response).decode())
        if not self.proves:
            return None
        final = "v=" + b64encode(b"wrong" * 4).decode() if self.lies else str(self.server.get_server_final())
        return b64encode(final.encode()).decode()


@pytest.mark.parametrize("name", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
@pytest.mark.parametrize("password", ["simple", "pässwörd €", "sp ace,=comma"])
def test_scram_proves_both_sides(name: str, password: str) -> None:
    server = Server(name, password)
    sasl.converse(sasl.mechanism(name, "user,=", Secret(password), HERE), server.begin, server.answer)


@pytest.mark.parametrize("fault", ["lies", "proves"])
def test_scram_notices_a_server_that_does_not_know_the_password(fault: str) -> None:
    server = Server("SCRAM-SHA-256", "right", lies=fault == "lies", proves=fault != "proves")
    with pytest.raises(ProtocolError):
        sasl.converse(sasl.mechanism("SCRAM-SHA-256", "alice", Secret("right"), HERE), server.begin, server.answer)


@pytest.mark.parametrize("challenge", ["!!!", "cj14", "é", b64encode(b"\xff").decode(), "cj1hYmM=" * 3000])
def test_a_senseless_challenge_is_a_protocol_error(challenge: str) -> None:
    with pytest.raises(ProtocolError):
        sasl.converse(
            sasl.mechanism("SCRAM-SHA-256", "alice", Secret("pw"), HERE),
            lambda name, initial: challenge,
            lambda text: "=",
        )


def test_an_endless_exchange_ends() -> None:
    class Endless(Mechanism):
        name, client_first = "X", False

        def step(self, challenge: bytes) -> bytes:
            return challenge

        def finish(self) -> None:
            return None

    with pytest.raises(ProtocolError):
        sasl.converse(Endless(), lambda name, initial: "", lambda text: "")


def test_a_long_initial_response_waits_to_be_asked() -> None:
    said: list[str | None] = []

    def begin(name: str, initial: str | None) -> str | None:
        said.append(initial)
        return ""

    def answer(response: str) -> str | None:
        said.append(response)
        return None

    long = "x" * 1000
    sasl.converse(sasl.mechanism("PLAIN", "alice", Secret(long), HERE), begin, answer)
    assert said == [None, b64encode(f"\0alice\0{long}".encode()).decode()]


def test_md5_is_there_for_cram() -> None:
    assert "md5" in hashlib.algorithms_available
