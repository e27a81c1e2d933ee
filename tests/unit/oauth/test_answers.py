"""Whatever a server, or whoever pastes an address, says: a value that makes sense, or a precise error."""

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.domain.deadline import Deadline
from mailctl.domain.gateway import SecretSource, SourceKind
from mailctl.domain.oauth import Grant, HttpAnswer
from mailctl.domain.provider import OAuthService
from mailctl.domain.secret import Secret
from mailctl.errors import AuthError, ConfigError, MailctlError, ProtocolError, SecretError
from mailctl.secrets.oauth.answers import MOST_TEXT, RefusalError, facts_of, token_of
from mailctl.secrets.oauth.device import device_code_of
from tests.unit.oauth.support import APPLICATION, SERVICE, Server, answer, client, error, with_grant

URL = "https://id.example/token"
NOW = datetime(2026, 5, 1, tzinfo=UTC)
SOON = Deadline(None)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = [
    *("access_token", "token_type", "expires_in", "refresh_token", "scope", "error", "error_description"),
    *("device_code", "user_code", "verification_uri", "verification_uri_complete", "interval"),
]
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8)


@given(st.integers(100, 599), st.sampled_from(["", "text/html", "application/json"]), st.binary(max_size=200))
def test_F10_any_octets_are_an_object_or_a_precise_error(status: int, kind: str, body: bytes) -> None:
    found: object = None
    try:
        found = facts_of(HttpAnswer(status, kind, body), URL, "the sign-in")
    except MailctlError as fault:
        found = fault
    if isinstance(found, MailctlError):
        assert found.exit_code != 1
        assert len(found.server_text) <= MOST_TEXT
    else:
        assert isinstance(found, dict)


@given(OBJECTS, st.sampled_from([200, 400, 401, 503]))
def test_F10_any_object_is_a_token_a_code_or_a_precise_error(found: dict[str, object], status: int) -> None:
    raw = HttpAnswer(status, "application/json", json.dumps(found).encode())
    try:
        facts = facts_of(raw, URL, "the sign-in")
    except MailctlError:
        return
    for make in (lambda: token_of(facts, APPLICATION, NOW, URL), lambda: device_code_of(facts, URL)):
        try:
            made = make()
        except ProtocolError:
            continue
        value = getattr(made, "access_token", None) or getattr(made, "device_code", None)
        assert isinstance(value, Secret)
        assert value


QUERIES = st.dictionaries(st.sampled_from(["code", "state", "error", "iss", "x"]), st.text()).map(urlencode)


@given(st.text(max_size=300) | QUERIES)
def test_F1_nothing_that_is_pasted_gives_a_code_without_our_state(text: str) -> None:
    asked = client(Server()).authorization("alice")
    with pytest.raises(AuthError):
        asked.code(text)


def test_a_code_comes_out_of_our_answer_alone() -> None:
    asked = client(Server()).authorization("alice", 4711)
    state = asked.state.reveal()
    assert asked.redirect == "http://127.0.0.1:4711"
    for text in (f"http://127.0.0.1:4711/?code=c0de&state={state}", f"code=c0de&state={state}&iss=https://id.example"):
        assert asked.code(text) == Secret("c0de")
    whole = f"127.0.0.1:4711/?code=c0de&state={state}"
    for text in (whole, f"<http://{whole}>", f'"http://{whole}"', f"'{whole}'"):  # as it is shown, or quoted
        assert asked.code(text) == Secret("c0de")
    for text in (whole.replace("127.0.0.1", "evil.example"), f"<https://{whole}>", f"//{whole}"):
        with pytest.raises(AuthError, match="doesn't begin with"):
            asked.code(text)
    sent = dict(parse_qsl(urlsplit(asked.url.reveal()).query))
    assert sent["scope"] == "mail offline_access send"
    assert sent["redirect_uri"] == asked.redirect


def test_google_is_asked_for_a_refresh_token() -> None:
    google = replace(APPLICATION, service=replace(SERVICE, id="google"))
    sent = dict(parse_qsl(urlsplit(client(Server(), google).authorization().url.reveal()).query))
    assert (sent["access_type"], sent["prompt"]) == ("offline", "consent")
    assert "login_hint" not in sent


def test_a_client_secret_goes_in_the_form_and_nowhere_else() -> None:
    server = Server()
    application = with_grant(Grant.CLIENT_CREDENTIALS, client_secret=SecretSource(SourceKind.ENV, ("X",)))
    client(server, application).client_credentials(SOON)
    assert server.forms[0]["client_secret"] == "the client_secret"
    assert "Authorization" not in server.headers[0]


def test_an_application_for_itself_asks_for_its_own_scope() -> None:
    service = replace(SERVICE, app_only_scope="https://mail.example/.default")
    secret = SecretSource(SourceKind.ENV, ("X",))
    application = replace(with_grant(Grant.CLIENT_CREDENTIALS, client_secret=secret), service=service)
    server = Server()
    client(server, application).client_credentials(SOON)
    assert server.forms[0]["scope"] == "https://mail.example/.default"


def test_revocation_says_no_only_where_that_matters() -> None:
    server = Server()
    mine = client(server)
    had = token_of({"access_token": "a", "refresh_token": "r"}, APPLICATION, NOW, URL)
    for reply, wanted in ((answer({}), True), (answer(b"whatever"), True), (error("invalid_token"), True)):
        server.reply = lambda url, form, reply=reply: reply  # type: ignore[misc]  # bound at once
        assert mine.revoke(had, SOON) is wanted
    assert server.forms[0] == {"token": "r", "token_type_hint": "refresh_token", "client_id": "client-1"}
    server.reply = lambda url, form: error("unsupported_token_type")
    with pytest.raises(RefusalError):
        mine.revoke(had, SOON)


def test_a_service_without_device_codes_says_so() -> None:
    service = OAuthService("own", "", "https://id.example/authorize", URL)
    with pytest.raises(ConfigError) as caught:
        client(Server(), replace(APPLICATION, service=service)).device_code(SOON)
    assert caught.value.code == "oauth_no_device_flow"


def test_without_the_library_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "authlib.oauth2.client", None)
    with pytest.raises(SecretError) as caught:
        client(Server()).authorization("alice")
    assert caught.value.code == "oauth_library"
    assert "-m pip install" in caught.value.hint


@pytest.mark.parametrize("lapses", [0, -1, "0", "soon", None])
def test_a_refresh_token_that_lapses_at_once_is_one_of_which_no_end_is_known(lapses: object) -> None:
    facts = {"access_token": "a", "refresh_token": "r", "refresh_expires_in": lapses}
    assert token_of(facts, APPLICATION, NOW, URL).refresh_expires is None
    assert token_of({**facts, "refresh_token_expires_in": 60}, APPLICATION, NOW, URL).refresh_expires is not None


@pytest.mark.parametrize("code", [400, None, "INVALID_ARGUMENT"])
def test_a_nested_error_is_read_where_its_code_is_a_number(code: object) -> None:
    nested = {"error": {"code": code, "status": "INVALID_ARGUMENT", "message": "Invalid value"}}
    with pytest.raises(RefusalError) as caught:
        facts_of(answer(nested, 400), URL, "the sign-in")
    assert (caught.value.error, caught.value.server_text) == ("INVALID_ARGUMENT", "INVALID_ARGUMENT: Invalid value")
