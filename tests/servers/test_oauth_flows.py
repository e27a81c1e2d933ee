"""Sign-in in the browser against a real authorization server: the good ways, and attacks that it must withstand."""

from dataclasses import replace
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from mailctl.domain.deadline import Deadline
from mailctl.domain.secret import BearerToken, Secret
from mailctl.errors import AuthError, ConfigError
from mailctl.protocols.redirect import RedirectListener
from mailctl.secrets.oauth.answers import RefusalError
from mailctl.secrets.oauth.authorization import check_loopback

from .signing_in import Browser, application, client
from .support.certificates import Certificates
from .support.oauth_server import CLIENT_SECRET, OAuthServer

USER = "alice@example.org"
SOON = 20.0


@pytest.fixture
def browser(certificates: Certificates) -> Browser:
    return Browser(certificates)


def query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def test_a_sign_in_in_the_browser(oauth_server: OAuthServer, certificates: Certificates, browser: Browser) -> None:
    mine = client(application(oauth_server), certificates)
    with RedirectListener() as listener:
        asked = mine.authorization(USER, listener.port)
        status, location, _ = browser.visit(listener.offer(asked.url, asked.answered_by))
        assert (status, location) == (302, asked.url.reveal())
        back = browser.agree(location)
        assert back.startswith(f"http://127.0.0.1:{listener.port}?")
        assert browser.visit(back)[0] == 303
        browser.visit(f"http://127.0.0.1:{listener.port}/mailctl-done")
        token = mine.redeem(asked, asked.code(listener.wait(SOON).reveal()), Deadline(SOON))
    assert isinstance(token.access_token, BearerToken)
    assert (token.scopes, token.application) == (("mail", "offline_access"), "own")
    assert token.refresh_token is not None
    assert token.expires is not None
    assert query(location)["login_hint"] == USER
    held = oauth_server.register.active(token.access_token.reveal())
    assert held is not None
    assert held.user == USER


def test_a_sign_in_whose_address_is_pasted_back(
    oauth_server: OAuthServer, certificates: Certificates, browser: Browser
) -> None:
    mine = client(application(oauth_server, secret=True), certificates, CLIENT_SECRET)
    asked = mine.authorization(USER)
    back = browser.agree(asked.url.reveal())
    wrapped = f"  {back[:40]}\n{back[40:]} "
    token = mine.redeem(asked, asked.code(wrapped), Deadline(SOON))
    renewed = mine.refresh(token, Deadline(SOON))
    assert renewed.access_token != token.access_token
    assert renewed.scopes == token.scopes
    assert oauth_server.forms()[-1]["client_secret"] == CLIENT_SECRET


def test_F1_an_answer_with_a_wrong_state_is_refused(
    oauth_server: OAuthServer, certificates: Certificates, browser: Browser
) -> None:
    oauth_server.wrong_state = "another"
    mine = client(application(oauth_server), certificates)
    asked = mine.authorization(USER)
    with pytest.raises(AuthError) as caught:
        asked.code(browser.agree(asked.url.reveal()))
    assert caught.value.code == "oauth_state"
    assert oauth_server.forms() == []
    with pytest.raises(AuthError) as caught:
        asked.code("http://127.0.0.1/?code=x")
    assert caught.value.code == "oauth_state"


def test_F1_a_code_of_another_session_is_refused(
    oauth_server: OAuthServer, certificates: Certificates, browser: Browser
) -> None:
    mine = client(application(oauth_server), certificates)
    asked, theirs = mine.authorization(USER), mine.authorization("mallory@example.org")
    injected = query(browser.agree(theirs.url.reveal(), "mallory@example.org"))["code"]
    code = asked.code(f"http://127.0.0.1/?{urlencode({'code': injected, 'state': asked.state.reveal()})}")
    with pytest.raises(RefusalError) as caught:
        mine.redeem(asked, code, Deadline(SOON))
    assert (caught.value.error, caught.value.cause) == ("invalid_grant", "token_expired")
    assert oauth_server.register.issued == []


def test_F2_a_challenge_by_S256_is_always_sent(
    oauth_server: OAuthServer, certificates: Certificates, browser: Browser
) -> None:
    mine = client(application(oauth_server), certificates)
    asked = mine.authorization(USER)
    sent = query(asked.url.reveal())
    assert sent["code_challenge_method"] == "S256"
    assert len(sent["code_challenge"]) == 43
    assert asked.verifier.reveal() not in asked.url.reveal()
    again = mine.authorization(USER)
    assert again.state != asked.state
    assert again.verifier != asked.verifier
    for forged in (
        {**sent, "code_challenge_method": "plain"},
        {name: value for name, value in sent.items() if not name.startswith("code_challenge")},
    ):  # this server takes neither; one that did would be refused by the verifier that doesn't fit
        location = browser.visit(f"{oauth_server.url}/authorize?{urlencode(forged)}")[1]
        with pytest.raises(RefusalError) as caught:
            asked.code(location)
        assert caught.value.error == "invalid_request"


def test_F4_a_code_is_good_once(oauth_server: OAuthServer, certificates: Certificates, browser: Browser) -> None:
    mine = client(application(oauth_server), certificates)
    asked = mine.authorization(USER)
    code = asked.code(browser.agree(asked.url.reveal()))
    mine.redeem(asked, code, Deadline(SOON))
    with pytest.raises(RefusalError):
        mine.redeem(asked, code, Deadline(SOON))


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "c0de",
        "https://id.example/authorize?client_id=x",
        "http://127.0.0.1/?code=a&code=b&state={state}",
        "http://127.0.0.1/?code=&state={state}",
        "http://127.0.0.1/other?code=a&state={state}",
        "http://evil.example/?code=a&state={state}",
        "http://127.0.0.1:x/?code=a&state={state}",
        "https://127.0.0.1/?code=a&state={state}",
        "http://[/?code=a&state={state}",
        "http://127.0.0.1/?code=a&state={state}&iss=https://evil.example",
        "http://127.0.0.1/?code=a&state={state}&iss={issuer}/other",
        "http://127.0.0.1/?code=" + "a" * 20_000,
    ],
)
def test_F4_what_is_no_answer_is_refused(oauth_server: OAuthServer, certificates: Certificates, answer: str) -> None:
    asked = client(application(oauth_server), certificates).authorization(USER)
    with pytest.raises(AuthError) as caught:
        asked.code(answer.replace("{state}", asked.state.reveal()).replace("{issuer}", oauth_server.url))
    assert caught.value.code in ("oauth_redirect", "oauth_issuer")


def test_F4_a_server_that_names_itself_always_does(oauth_server: OAuthServer, certificates: Certificates) -> None:
    known = application(oauth_server)
    asked = client(replace(known, service=replace(known.service, names_issuer=True)), certificates).authorization(USER)
    answer = f"code=a&state={asked.state.reveal()}"
    assert asked.code(f"{answer}&iss={oauth_server.url}").reveal() == "a"
    with pytest.raises(AuthError) as caught:
        asked.code(answer)
    assert caught.value.code == "oauth_issuer"


def test_F4_a_service_of_many_tenants_answers_as_the_users_own(
    oauth_server: OAuthServer, certificates: Certificates
) -> None:
    asked = client(replace(application(oauth_server), tenant="common"), certificates).authorization(USER)
    answer = f"code=a&state={asked.state.reveal()}&iss="
    assert asked.code(f"{answer}{oauth_server.url}/b0c1d2e3/v2.0").reveal() == "a"
    with pytest.raises(AuthError):
        asked.code(f"{answer}https://evil.example/b0c1d2e3/v2.0")


def test_a_question_mark_in_the_answer_is_part_of_it(oauth_server: OAuthServer, certificates: Certificates) -> None:
    asked = client(application(oauth_server), certificates).authorization(USER)
    answer = f"code=4/a?b&state={asked.state.reveal()}"  # RFC 3986 section 3.4 lets a query have one
    assert asked.code(f"{asked.redirect}/?{answer}").reveal() == "4/a?b"
    assert asked.code(answer).reveal() == "4/a?b"


@pytest.mark.parametrize(
    "redirect",
    [
        "http://evil.example/",
        "https://127.0.0.1/",
        "http://127.0.0.1@evil.example/",
        "http://10.0.0.1",
        "urn:x",
        "http://[",
    ],
)
def test_F3_a_redirect_to_elsewhere_is_not_listened_for(redirect: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_loopback(redirect)
    assert caught.value.cause == "redirect_mismatch"
    assert check_loopback("http://localhost:8400/cb") == (8400, "/cb")


def test_F3_the_server_refuses_a_redirect_that_is_not_registered(
    oauth_server: OAuthServer, certificates: Certificates, browser: Browser
) -> None:
    elsewhere = replace(application(oauth_server), redirect="http://127.0.0.1/elsewhere")
    asked = client(elsewhere, certificates).authorization(USER, 4000)
    status, location, page = browser.visit(asked.url.reveal())
    assert (status >= 400, location) == (True, "")
    assert "redirect_uri" in page or "Redirect URI" in page


def test_consent_that_is_denied(oauth_server: OAuthServer, certificates: Certificates, browser: Browser) -> None:
    asked = client(application(oauth_server), certificates).authorization(USER)
    with pytest.raises(RefusalError) as caught:
        asked.code(browser.agree(asked.url.reveal(), allow=False))
    assert (caught.value.cause, caught.value.exit_code) == ("consent_declined", 7)


def test_a_wrong_scope(oauth_server: OAuthServer, certificates: Certificates, browser: Browser) -> None:
    mine = application(oauth_server)
    mine = replace(mine, service=replace(mine.service, scopes={"imap": ("mail", "calendar")}))
    asked = client(mine, certificates).authorization(USER)
    token = client(mine, certificates).redeem(asked, asked.code(browser.agree(asked.url.reveal())), Deadline(SOON))
    assert token.scopes == ("mail",)


def test_F5_error_texts_are_carried_raw_bounded_and_masked(
    oauth_server: OAuthServer, certificates: Certificates
) -> None:
    asked = client(application(oauth_server), certificates).authorization(USER)
    said = f"\x1b]8;;http://evil\x07 {asked.verifier.reveal()} \u202e" + "x" * 5000
    answer = urlencode({"error": "access_denied", "error_description": said, "state": asked.state.reveal()})
    with pytest.raises(RefusalError) as caught:
        asked.code(f"http://127.0.0.1/?{answer}")
    assert caught.value.server_text.startswith("access_denied: \x1b]8;;")
    assert len(caught.value.server_text) <= 500
    assert "***" in caught.value.server_text
    assert asked.verifier.reveal() not in caught.value.server_text


def test_F4_a_forged_answer_does_not_end_the_wait(
    oauth_server: OAuthServer, certificates: Certificates, browser: Browser
) -> None:
    mine = client(application(oauth_server), certificates)
    with RedirectListener() as listener:
        asked = mine.authorization(USER, listener.port)
        listener.offer(asked.url, asked.answered_by)
        back = browser.agree(asked.url.reveal())
        here, state = f"http://127.0.0.1:{listener.port}/", asked.state.reveal()
        for forged in ("?error=x", "?code=forged&state=guess", "?code=x&state=", f"?code=x&state={state}&state=y"):
            assert browser.visit(here + forged)[0] == 400
        assert browser.visit(back)[0] == 303
        browser.visit(f"{here}mailctl-done")
        assert isinstance(asked.code(listener.wait(SOON).reveal()), Secret)
