"""The mechanisms of OAuth tokens without a socket: what is sent, and how a refusal is read."""

import json
from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.domain.secret import BearerToken, Secret
from mailctl.domain.server import Endpoint, Security
from mailctl.errors import AuthError, ProtocolError, SecretError, UsageError
from mailctl.protocols import sasl, sasl_oauth

HERE = Endpoint("server.example.com", 143, Security.TLS)
RFC_TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="


def test_OAUTHBEARER_is_the_example_of_rfc_7628_section_4_1() -> None:
    mechanism = sasl.mechanism("OAUTHBEARER", "user@example.com", BearerToken(RFC_TOKEN), HERE)
    assert b64encode(mechanism.step(b"")).decode() == (
        "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52"
        "YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
    )


def test_XOAUTH2_is_the_example_of_googles_page() -> None:
    token = BearerToken("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")
    mechanism = sasl.mechanism("XOAUTH2", "someuser@example.com", token, HERE)
    assert mechanism.step(b"").decode() == f"user=someuser@example.com\x01auth=Bearer {token.reveal()}\x01\x01"


def test_the_user_name_of_OAUTHBEARER_is_a_saslname() -> None:
    first = sasl.mechanism("OAUTHBEARER", "a=b,c@x", BearerToken("t0k3n"), HERE).step(b"")
    assert first.startswith(b"n,a=a=3Db=2Cc@x,\x01host=")


@pytest.mark.parametrize("offered", [["XOAUTH2", "OAUTHBEARER", "PLAIN"], ["oauthbearer", "LOGIN"]])
def test_the_standard_comes_first(offered: list[str]) -> None:
    assert sasl.choose(offered, "a", BearerToken("t0k3n"), HERE, verified=True).name == "OAUTHBEARER"


@pytest.mark.parametrize(
    ("preferred", "offered", "taken"),
    [
        (["XOAUTH2"], ["XOAUTH2", "OAUTHBEARER"], "XOAUTH2"),
        (["XOAUTH2"], ["OAUTHBEARER"], "OAUTHBEARER"),
        (["PLAIN", "XOAUTH2"], ["PLAIN", "XOAUTH2"], "XOAUTH2"),
    ],
)
def test_what_the_application_prefers_comes_first_and_is_never_a_passwords(
    preferred: list[str], offered: list[str], taken: str
) -> None:
    token = BearerToken("t0k3n", mechanisms=preferred)
    assert sasl.choose(offered, "a", token, HERE, verified=True).name == taken


@pytest.mark.parametrize("verified", [True, False])
def test_a_token_goes_by_no_password_mechanism_and_a_password_by_no_token_mechanism(verified: bool) -> None:
    passwords = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"]
    with pytest.raises(AuthError) as caught:
        sasl.choose(passwords, "a", BearerToken("t0k3n"), HERE, verified=verified)
    assert (caught.value.code, caught.value.cause) == ("no_mechanism", "auth_not_offered")
    assert "OAuth token" in caught.value.message
    with pytest.raises(AuthError) as caught:
        sasl.choose(["XOAUTH2", "OAUTHBEARER"], "a", Secret("t0k3n"), HERE, verified=verified)
    assert caught.value.cause == "auth_not_offered"


@pytest.mark.parametrize("name", sasl.TOKEN_MECHANISMS)
@pytest.mark.parametrize(
    ("user", "token"),
    [("a\r\nb", "t0k3n"), ("a\x01auth=Bearer x", "t0k3n"), ("a", "t0k\x01n"), ("a", "t 0"), ("a", "t\nn"), ("a", "ü")],
)
def test_what_could_end_a_field_or_a_line_is_refused_before_anything_is_sent(name: str, user: str, token: str) -> None:
    with pytest.raises(UsageError) as caught:
        sasl.mechanism(name, user, BearerToken(token), HERE)
    assert token not in caught.value.message
    assert caught.value.hint == "Nothing was sent."


def test_an_empty_token_is_none() -> None:
    with pytest.raises(SecretError):
        sasl.mechanism("XOAUTH2", "a", BearerToken(""), HERE)


@given(st.text(min_size=1, max_size=60), st.from_regex(r"[A-Za-z0-9._~+/-]{1,400}={0,2}", fullmatch=True))
def test_what_is_sent_can_be_taken_apart_again_or_is_not_sent(user: str, token: str) -> None:
    try:
        first = sasl.mechanism("OAUTHBEARER", user, BearerToken(token), HERE).step(b"").decode()
        second = sasl.mechanism("XOAUTH2", user, BearerToken(token), HERE).step(b"").decode()
    except UsageError:
        assert any(sign in user for sign in "\r\n\0\x01") or not user.isprintable()
        return
    header, host, port, auth, *end = first.split("\x01")
    assert header.split(",")[1:] == [f"a={user.replace('=', '=3D').replace(',', '=2C')}", ""]
    assert (host, port, auth, end) == ("host=server.example.com", "port=143", f"auth=Bearer {token}", ["", ""])
    assert second.split("\x01") == [f"user={user}", auth, "", ""]


def test_the_hosts_name_is_told_in_ascii() -> None:
    there = Endpoint("mail.bücher.example", 993, Security.TLS)
    first = sasl.mechanism("OAUTHBEARER", "a", BearerToken("t0k3n"), there).step(b"")
    assert b"host=mail.xn--bcher-kva.example\x01" in first


class Server:
    """The other side of an exchange: it refuses with `challenge`, or takes everything without one."""

    def __init__(self, challenge: str | None, words: str = "NO [AUTHENTICATIONFAILED] no") -> None:
        self.challenge, self.words = challenge, words
        self.began: tuple[str, str | None] | None = None
        self.said: list[str] = []

    def begin(self, name: str, initial: str | None) -> str | None:
        self.began = name, initial
        return "" if initial is None else self._refuse()

    def answer(self, response: str) -> str | None:
        self.said.append(response)
        if self.began and self.began[1] is None and len(self.said) == 1:
            return self._refuse()
        raise AuthError("the server refused the sign-in", server_text=self.words)

    def _refuse(self) -> str | None:
        return self.challenge if self.challenge is None else b64encode(self.challenge.encode()).decode()


def refused(name: str, server: Server, token: str = "t0k3n-of-alice", most: int = 400) -> AuthError:
    with pytest.raises(AuthError) as caught:
        sasl.converse(sasl.mechanism(name, "a@x", BearerToken(token), HERE), server.begin, server.answer, most=most)
    return caught.value


@pytest.mark.parametrize(("name", "farewell"), [("XOAUTH2", ""), ("OAUTHBEARER", "AQ==")])
@pytest.mark.parametrize("most", [0, 400])
def test_the_refusal_is_answered_as_each_mechanism_wants(name: str, farewell: str, most: int) -> None:
    server = Server('{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}')
    error = refused(name, server, most=most)
    assert server.said[-1] == farewell
    assert len(server.said) == (2 if most == 0 else 1)
    assert (error.cause, error.code) == ("token_rejected", "token_refused")
    assert error.detail == {"status": "400", "scope": "https://mail.google.com/"}
    assert '"scope":"https://mail.google.com/"' in error.server_text
    assert error.server_text.startswith("NO [AUTHENTICATIONFAILED] no\n")


@pytest.mark.parametrize(
    ("challenge", "cause", "code"),
    [
        ('{"status":"invalid_token","scope":"mail"}', "token_rejected", "token_refused"),
        ('{"status":401}', "token_rejected", "token_refused"),
        ('{"status":"Insufficient_Scope","scope":"imap"}', "scope_missing", "auth_refused"),
        ('{"status":"403"}', "scope_missing", "auth_refused"),
        ('{"status":"invalid_request"}', "", "auth_refused"),
        ("{}", "", "token_refused"),
        ("not json", "", "token_refused"),
    ],
)
def test_the_status_decides_cause_and_whether_another_token_may_do(challenge: str, cause: str, code: str) -> None:
    error = refused("OAUTHBEARER", Server(challenge))
    assert (error.cause, error.code) == (cause, code)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("NO AUTHENTICATE failed.", "token_refused"),
        ("NO [AUTHENTICATIONFAILED] Authentication failed.", "token_refused"),
        ("-ERR [AUTH] no", "token_refused"),
        ("-ERR Authentication failure: unknown user name or bad password.", "token_refused"),
        ("535 5.7.3 Authentication unsuccessful", "token_refused"),
        ("NO [UNAVAILABLE] try later", "auth_refused"),
        ("NO [CONTACTADMIN] call", "auth_refused"),
        ("-ERR [SYS/TEMP] later", "auth_refused"),
        ("454 4.7.0 Temporary authentication failure", "auth_refused"),
    ],
)
def test_a_refusal_in_words_alone_is_about_the_token_unless_it_says_otherwise(words: str, code: str) -> None:
    error = refused("XOAUTH2", Server("", words))
    assert error.code == code


def test_where_the_server_looks_for_its_identity_provider_is_told() -> None:
    where = "https://id.example/.well-known/openid-configuration"
    error = refused("OAUTHBEARER", Server(json.dumps({"status": "invalid_token", "openid-configuration": where})))
    assert error.detail == {"status": "invalid_token", "openid_configuration": where}


def test_who_lets_us_in_after_a_refusal_is_not_believed() -> None:
    mechanism = sasl.mechanism("XOAUTH2", "a", BearerToken("t0k3n"), HERE)
    challenge = b64encode(b'{"status":"401"}').decode()
    with pytest.raises(ProtocolError):
        sasl.converse(mechanism, lambda name, initial: challenge, lambda response: None)
    with pytest.raises(ProtocolError):
        sasl.converse(
            sasl.mechanism("XOAUTH2", "a", BearerToken("t0k3n"), HERE),
            lambda name, initial: challenge,
            lambda response: challenge,
        )


def test_long_tokens_wait_to_be_asked_and_are_whole() -> None:
    token = "x" * 9000
    server = Server('{"status":"401"}')
    refused("XOAUTH2", server, token)
    assert server.began == ("XOAUTH2", None)
    assert b64decode(server.said[0]).decode() == f"user=a@x\x01auth=Bearer {token}\x01\x01"


def test_a_refusal_that_quotes_the_token_is_masked_where_it_is_shown() -> None:
    from mailctl.domain.secret import mask

    token = "ya29.a0AfH6SMBx7-quoted" * 50
    error = refused("XOAUTH2", Server(json.dumps({"status": "401", "scope": f"for {token}"})), token)
    assert "quoted" not in mask(error.server_text)


@given(st.binary(max_size=20_000))
def test_a_refusal_is_read_whatever_it_is(challenge: bytes) -> None:
    told = sasl_oauth.read_refusal(challenge)
    assert len(told.raw) <= 4 * sasl_oauth.TOLD


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
@pytest.mark.parametrize("key", ["status", "scope", "openid-configuration"])
def test_any_json_is_read_within_bounds(key: str, value: object) -> None:
    told = sasl_oauth.read_refusal(json.dumps({key: value}).encode())
    assert max(map(len, (told.status, told.scope, told.configuration))) <= 3 * sasl_oauth.TOLD


@pytest.mark.parametrize("challenge", [b"[" * 8000, b'{"a":' * 1600, b'{"status":' + b"9" * 8000 + b"}", b"\xff\xfe"])
def test_json_bombs_are_read_as_words(challenge: bytes) -> None:
    assert sasl_oauth.read_refusal(challenge).status == ""
