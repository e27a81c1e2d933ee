"""The flows without a browser here, and what the server's endpoints may answer, against a real one."""

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from mailctl.domain.deadline import Deadline
from mailctl.domain.oauth import Grant
from mailctl.domain.secret import mask
from mailctl.errors import AuthError, ConfigError, MailctlError, NetworkError, ProtocolError, SecretError, TlsError
from mailctl.secrets.oauth.answers import RefusalError
from mailctl.secrets.oauth.client import ASSERTION_GRANT
from mailctl.secrets.oauth.device import wait_for

from .signing_in import SOMEWHERE, Browser, application, client, renamed
from .support.certificates import Certificates
from .support.oauth_grants import RegisteredClient
from .support.oauth_server import CLIENT_SECRET, CONFIDENTIAL, Fault, OAuthServer

USER = "alice@example.org"
SOON = 20.0


@pytest.fixture
def browser(certificates: Certificates) -> Browser:
    return Browser(certificates)


def test_a_sign_in_by_device_code(oauth_server: OAuthServer, certificates: Certificates) -> None:
    mine = client(application(oauth_server), certificates)
    code = mine.device_code(Deadline(SOON))
    assert code.verification_uri == f"{oauth_server.url}/device"
    assert code.user_code in code.complete_uri
    assert (code.lifetime, code.interval) == (600, 1)
    waits: list[float] = []

    def pause(seconds: float, left: float) -> None:
        waits.append(seconds)
        assert 0 < left <= 600
        if len(waits) == 3:
            oauth_server.enter_code(code.user_code, USER)

    oauth_server.register.too_fast = 1
    token = wait_for(mine, code, pause)
    assert token.refresh_token is not None
    assert waits == [1, 6, 6]  # F9: the first answer was slow_down


def test_F9_a_device_code_that_is_denied_or_runs_out(oauth_server: OAuthServer, certificates: Certificates) -> None:
    mine = client(application(oauth_server, Grant.DEVICE_CODE), certificates)
    code = mine.device_code(Deadline(SOON))
    oauth_server.enter_code(code.user_code, USER, allow=False)
    with pytest.raises(RefusalError) as refused:
        wait_for(mine, code, lambda *_: None)
    assert refused.value.cause == "consent_declined"
    oauth_server.register.device_lifetime = -1
    code = mine.device_code(Deadline(SOON))
    with pytest.raises(AuthError) as caught:
        wait_for(mine, code, lambda *_: None)
    assert (caught.value.code, caught.value.cause) == ("oauth_device_expired", "device_code_expired")
    ticks = iter(range(0, 100_000, 700))
    with pytest.raises(AuthError) as caught:  # a server that goes on saying "pending"
        wait_for(mine, mine.device_code(Deadline(SOON)), lambda *_: None, lambda: next(ticks))
    assert caught.value.code == "oauth_device_expired"


def test_F9_a_server_that_fails_for_a_while_is_asked_less_often(
    oauth_server: OAuthServer, certificates: Certificates
) -> None:
    mine = client(application(oauth_server), certificates)
    code = mine.device_code(Deadline(SOON))
    waits: list[float] = []

    def pause(seconds: float, left: float) -> None:
        waits.append(seconds)
        oauth_server.faults = {"/token": Fault(b"", 503)} if len(waits) < 3 else {}
        oauth_server.enter_code(code.user_code, USER)

    assert wait_for(mine, code, pause).access_token
    assert waits == [1, 2, 4]


def test_client_credentials(oauth_server: OAuthServer, certificates: Certificates) -> None:
    mine = application(oauth_server, Grant.CLIENT_CREDENTIALS, secret=True)
    token = client(mine, certificates, CLIENT_SECRET).client_credentials(Deadline(SOON))
    assert token.refresh_token is None
    assert token.expires is not None
    with pytest.raises(RefusalError) as caught:
        client(mine, certificates, "not the secret").client_credentials(Deadline(SOON))
    assert (caught.value.error, caught.value.cause) == ("invalid_client", "client_secret_invalid")
    for way in ("client_secret_post", "client_secret_basic"):  # some services take only one
        oauth_server.register.clients[CONFIDENTIAL].ways = (way,)
        assert client(mine, certificates, CLIENT_SECRET).client_credentials(Deadline(SOON)).access_token
    with pytest.raises(ConfigError):
        client(application(oauth_server), certificates).client_credentials(Deadline(SOON))


def test_a_service_account(oauth_server: OAuthServer, certificates: Certificates) -> None:
    pair = rsa.generate_private_key(65537, 2048)
    pem = pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    account = "robot@project.example"
    oauth_server.register.clients[account] = RegisteredClient(account, grants=(ASSERTION_GRANT,), key=public)
    mine = replace(application(oauth_server, Grant.SERVICE_ACCOUNT), key=SOMEWHERE)
    key = json.dumps({"client_email": account, "private_key": pem, "private_key_id": "1"}, indent=1)
    token = client(mine, certificates, key).service_account(USER, Deadline(SOON))
    assert token.user == USER
    held = oauth_server.register.active(token.access_token.reveal())
    assert held is not None
    assert held.user == USER
    assert set(oauth_server.forms()[-1]) == {"grant_type", "assertion"}
    stranger = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    other = json.dumps({"client_email": account, "private_key": stranger.decode()})
    with pytest.raises(RefusalError) as refused:
        client(mine, certificates, other).service_account(USER, Deadline(SOON))
    assert refused.value.error == "invalid_grant"
    for bad in ("", "[]", "{}", '{"client_email": "x", "private_key": "-----BEGIN"}', '{"client_email": 1}'):
        with pytest.raises(SecretError) as caught:
            client(mine, certificates, bad or "x").service_account(USER, Deadline(SOON))
        assert caught.value.code == "oauth_key"


def test_revocation(oauth_server: OAuthServer, certificates: Certificates, browser: Browser) -> None:
    mine = client(application(oauth_server), certificates)
    asked = mine.authorization(USER)
    token = mine.redeem(asked, asked.code(browser.agree(asked.url.reveal())), Deadline(SOON))
    assert mine.revoke(token, Deadline(SOON)) is True
    assert oauth_server.register.active(token.access_token.reveal()) is None
    with pytest.raises(RefusalError) as caught:
        mine.refresh(token, Deadline(SOON))
    assert caught.value.error == "invalid_grant"
    assert mine.revoke(token, Deadline(SOON)) is True
    without = application(oauth_server)
    without = replace(without, service=replace(without.service, revocation_endpoint=""))
    assert client(without, certificates).revoke(token, Deadline(SOON)) is False


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (Fault(b"<html>Sign in to the hotel's network", 200, "text/html"), ProtocolError, "oauth_answer"),
        (Fault(b"<!doctype html>no", 404, "text/html"), ProtocolError, "oauth_answer"),
        (Fault(b"", 302), ProtocolError, "oauth_answer"),
        (Fault(b"[" * 100_000, 200), ProtocolError, "oauth_answer"),
        (Fault(b"[1]", 200), ProtocolError, "oauth_answer"),
        (Fault(b"{}", 200), ProtocolError, "oauth_answer"),
        (Fault(b'{"access_token": "a b", "token_type": "Bearer"}', 200), ProtocolError, "oauth_answer"),
        (Fault(b'{"access_token": "a", "token_type": "mac"}', 200), ProtocolError, "oauth_answer"),
        (Fault(b'{"access_token": ["a"], "token_type": "Bearer"}', 200), ProtocolError, "oauth_answer"),
        (Fault(b'"' + b"x" * 400_000, 200), ProtocolError, "too_large"),
        (Fault(b"<html>", 500, "text/html"), NetworkError, "oauth_unavailable"),
        (Fault(b"", 429), NetworkError, "oauth_unavailable"),
        (Fault(b'{"error": "temporarily_unavailable"}', 503), NetworkError, "oauth_unavailable"),
        (Fault(b'{"error": {"code": "invalid_scope"}}', 400), AuthError, "oauth_refused"),
        (Fault(b'{"error": "something_new", "error_description": 5}', 400), AuthError, "oauth_refused"),
        (Fault(silent=True), NetworkError, "network"),
    ],
)  # fmt: skip
def test_F10_bad_answers_are_precise_errors(
    oauth_server: OAuthServer, certificates: Certificates, fault: Fault, kind: type[MailctlError], code: str
) -> None:
    mine = client(application(oauth_server, secret=True), certificates, CLIENT_SECRET)
    oauth_server.faults = {"/token": fault, "/device_code": fault}
    with pytest.raises(kind) as caught:
        mine.client_credentials(Deadline(0.5 if fault.silent else SOON))
    assert caught.value.code == code
    assert mask(str(caught.value)) == str(caught.value)
    with pytest.raises(MailctlError):
        mine.device_code(Deadline(0.5 if fault.silent else SOON))


def test_F10_a_bad_certificate_is_refused_before_anything_is_said(certificates: Certificates) -> None:
    for bad in (certificates.expired, certificates.self_signed, certificates.wrong_host):
        with OAuthServer(bad) as server:
            with pytest.raises(TlsError) as caught:
                client(application(server, secret=True), certificates, CLIENT_SECRET).client_credentials(Deadline(SOON))
            assert caught.value.cause.startswith("tls_")
            assert ("SSL_CERT_FILE" in caught.value.hint) == (bad is certificates.self_signed)
            assert server.asked == []


def test_F10_a_server_that_is_not_there_is_told_with_what_to_do(
    oauth_server: OAuthServer, certificates: Certificates
) -> None:
    mine = client(application(oauth_server, secret=True), certificates, CLIENT_SECRET)
    oauth_server.faults = {"/token": Fault(silent=True)}
    for seconds, cause in ((0.5, "tcp_timeout"), (SOON, "tcp_refused")):
        with pytest.raises(NetworkError) as caught:
            mine.client_credentials(Deadline(seconds))
        assert (caught.value.cause, "proxy or firewall" in caught.value.hint) == (cause, True)
        oauth_server.stop()


def test_lifetimes_that_make_no_sense_do_not_hurt(oauth_server: OAuthServer, certificates: Certificates) -> None:
    mine = client(application(oauth_server, secret=True), certificates, CLIENT_SECRET)
    for given, known in (
        ("1e400", False),
        ('"3599"', True),
        ("-5", True),
        ('"x"', False),
        ("null", False),
        ("9" * 99, False),
    ):
        body = b'{"access_token": "a", "token_type": "bearer", "expires_in": %s}' % given.encode()
        oauth_server.faults = {"/token": Fault(body, 200)}
        assert (mine.client_credentials(Deadline(SOON)).expires is not None) is known


def test_a_client_that_is_not_known(oauth_server: OAuthServer, certificates: Certificates, browser: Browser) -> None:
    mine = client(renamed(application(oauth_server), "somebody-else"), certificates)
    status, location, _ = browser.visit(mine.authorization(USER).url.reveal())
    assert (status >= 400, location) == (True, "")
    with pytest.raises(RefusalError) as caught:
        mine.device_code(Deadline(SOON))
    assert caught.value.error == "invalid_client"
