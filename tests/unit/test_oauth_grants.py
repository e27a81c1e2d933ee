"""What a token grants, compared with what is needed: the common ways to sign in and not get in; any JWT at all."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailctl.diagnosis.knowledge import load_knowledge
from mailctl.domain.oauth import Application, Grant, Token, Use
from mailctl.domain.oauth_claims import LONGEST, Claims, read_claims
from mailctl.domain.oauth_grants import PERSONAL, Lapse, Shortfall, fit, lapsed, lapses, shortfalls
from mailctl.domain.provider import OAuthService
from mailctl.domain.secret import BearerToken, Secret
from mailctl.domain.server import Protocol
from mailctl.errors import SecretError
from mailctl.providers.catalog import oauth_services
from mailctl.secrets.oauth.answers import token_of

SERVICES = {name: service for name, service in oauth_services().items() if name in ("google", "microsoft")}
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TENANT = "b0c1d2e3-aaaa-4bbb-8ccc-000011112222"
OUTLOOK = "https://outlook.office.com"
SCOPES = (f"{OUTLOOK}/IMAP.AccessAsUser.All", f"{OUTLOOK}/SMTP.Send")
GMAIL = "https://mail.google.com/"


def application(service: str, grant: Grant = Grant.AUTHORIZATION_CODE, tenant: str = "") -> Application:
    own = OAuthService(service, "", "", "", scopes=dict.fromkeys(Protocol, ("mail", "openid", "offline_access")))
    return Application(service, SERVICES.get(service, own), "client", grant, tenant)


def jwt(**claims: object) -> BearerToken:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return BearerToken(f"eyJhbGciOiJub25lIn0.{payload}.c2lnbmF0dXJl")


def token(
    access: str | BearerToken = "opaque-9f1c", scopes: tuple[str, ...] = (), user: str = "", **more: object
) -> Token:
    made = access if isinstance(access, BearerToken) else BearerToken(access)
    values = {"refresh_token": Secret("r3fresh-of-alice"), "refreshed": NOW} | more
    return Token(made, scopes=scopes, user=user, **values)  # type: ignore[arg-type]  # fields of the class


def lacking(
    held: Token,
    of: Application,
    protocol: Protocol = Protocol.IMAP,
    user: str = "alice@gmail.com",
    shared: bool = False,
) -> list[tuple[str, bool]]:
    return [(each.cause, each.certain) for each in shortfalls(held, of, protocol, user, shared=shared)]


def test_an_opaque_token_of_which_nothing_is_told_lacks_nothing() -> None:
    assert lacking(token(), application("google")) == []
    assert lacking(token(), application("microsoft", tenant="common")) == []


@pytest.mark.parametrize("scopes", [(GMAIL,), ("openid", "https://mail.google.com"), (GMAIL.upper(),)])
def test_the_scope_for_gmail_is_there(scopes: tuple[str, ...]) -> None:
    assert lacking(token(scopes=scopes), application("google")) == []


def test_the_box_for_gmail_was_not_ticked() -> None:
    held = token(scopes=("openid", "https://www.googleapis.com/auth/userinfo.email"))
    assert lacking(held, application("google"), Protocol.SMTP) == [("scope_missing", True)]


@pytest.mark.parametrize("granted", [SCOPES, tuple(each.replace("office.com", "office365.com") for each in SCOPES)])
def test_microsofts_scopes_count_by_their_last_part(granted: tuple[str, ...]) -> None:
    known = application("microsoft", tenant="common")
    assert lacking(token(scopes=granted), known) == []
    assert lacking(token(scopes=granted), known, Protocol.SMTP) == []
    assert lacking(token(scopes=granted), known, Protocol.POP3) == [("scope_missing", True)]
    assert lacking(token(jwt(scp="IMAP.AccessAsUser.All SMTP.Send")), known) == []
    assert lacking(token(jwt(scp="SMTP.Send")), known) == [("scope_missing", True)]


def test_scopes_of_the_users_own_lock_nobody_out() -> None:
    known = application("microsoft", tenant="common")
    default: dict[str, tuple[str, ...]] = dict.fromkeys(Protocol, (f"{OUTLOOK}/.default", "offline_access"))
    assert lacking(token(scopes=SCOPES), replace(known, service=replace(known.service, scopes=default))) == []
    own: dict[str, tuple[str, ...]] = dict.fromkeys(Protocol, (f"{OUTLOOK}/Mail.ReadWrite",))
    held = replace(known, service=replace(known.service, scopes=own))
    assert lacking(token(scopes=SCOPES), held) == [("scope_missing", False)]


def test_what_a_jwt_says_goes_before_what_the_answer_said() -> None:
    held = token(jwt(scp="SMTP.Send"), scopes=SCOPES)
    assert lacking(held, application("microsoft", tenant="common")) == [("scope_missing", True)]


def test_the_scopes_of_an_own_provider_are_the_mail_servers_to_judge() -> None:
    assert lacking(token(scopes=("openid", "mail")), application("own")) == []
    assert lacking(token(scopes=("openid",)), application("own")) == [("scope_missing", False)]


@pytest.mark.parametrize("audience", ["https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000"])
def test_a_token_for_graph_opens_no_mailbox(audience: str) -> None:
    held = token(jwt(aud=audience, scp="IMAP.AccessAsUser.All"))
    assert lacking(held, application("microsoft", tenant="common")) == [("wrong_audience", True)]


@pytest.mark.parametrize(
    ("tenant", "given", "certain"),
    [
        (TENANT, TENANT.upper(), None),
        (TENANT, "99999999-aaaa-4bbb-8ccc-000011112222", True),
        ("consumers", PERSONAL, None),
        ("consumers", TENANT, True),
        ("organizations", PERSONAL, True),
        ("organizations", TENANT, None),
        ("common", TENANT, None),
        ("contoso.com", TENANT, None),
    ],
)
def test_the_tenant_is_compared_where_both_are_known(tenant: str, given: str, certain: bool | None) -> None:
    found = lacking(token(jwt(tid=given)), application("microsoft", tenant=tenant), user="alice@contoso.com")
    assert found == ([] if certain is None else [("wrong_tenant", certain)])


@pytest.mark.parametrize(
    ("owner", "user", "certain"),
    [
        ("alice@gmail.com", "alice@gmail.com", None),
        ("A.Lice+x@googlemail.com", "alice@gmail.com", None),
        ("eve@gmail.com", "alice@gmail.com", True),
        ("alice@gmail.com", "alice@example.org", True),
        ("alice@example.org", "alias@example.org", False),
        ("alice", "alice@example.org", None),
        ("", "alice@gmail.com", None),
    ],
)
def test_another_account_at_google(owner: str, user: str, certain: bool | None) -> None:
    found = lacking(token(user=owner), application("google"), user=user)
    assert found == ([] if certain is None else [("other_account", certain)])


def test_another_account_at_microsoft_may_be_an_alias_but_not_of_the_other_kind() -> None:
    known = application("microsoft", tenant="common")
    assert lacking(token(jwt(upn="a@contoso.onmicrosoft.com", tid=TENANT)), known, user="a@contoso.com") == [
        ("other_account", False)
    ]
    assert lacking(token(jwt(upn="a@contoso.com", tid=TENANT)), known, user="a@hotmail.com") == [
        ("other_account", True)
    ]


def test_a_shared_mailbox_is_opened_by_another_accounts_token() -> None:
    assert lacking(token(user="eve@gmail.com"), application("google"), shared=True) == []


@pytest.mark.parametrize(
    ("protocol", "role"),
    [(Protocol.IMAP, "IMAP.AccessAsApp"), (Protocol.POP3, "POP.AccessAsApp"), (Protocol.SMTP, "SMTP.SendAsApp")],
)
def test_an_application_that_acts_for_itself_needs_the_role(protocol: Protocol, role: str) -> None:
    known = application("microsoft", Grant.CLIENT_CREDENTIALS, TENANT)
    assert lacking(token(jwt(iss="x", roles=["Mail.Read", role]), refresh_token=None), known, protocol) == []
    assert lacking(token(jwt(iss="x", roles=["Mail.Read"])), known, protocol) == [("role_missing", True)]
    assert lacking(token("opaque"), known, protocol) == []
    assert lapses(token("opaque", refresh_token=None), known, NOW) == []


def test_a_sign_in_without_a_refresh_token_ends_with_its_token() -> None:
    held = token(refresh_token=None, expires=NOW + timedelta(hours=1))
    assert [each.cause for each in lapses(held, application("microsoft"), NOW)] == ["offline_access_missing"]
    assert lapsed(held, application("microsoft"), NOW) == "offline_access_missing"


def test_an_application_in_testing_loses_its_sign_ins_after_seven_days() -> None:
    held = token(refresh_expires=NOW + timedelta(seconds=604799))
    assert lapses(held, application("google"), NOW) == [
        Lapse(
            "app_in_testing",
            "The application is in the state Testing at Google: sign-ins end after seven days",
            NOW + timedelta(seconds=604799),
        )
    ]
    assert lapsed(held, application("google"), NOW) == ""
    assert lapsed(held, application("google"), NOW + timedelta(days=7)) == "app_in_testing"
    assert lapsed(held, application("own"), NOW + timedelta(days=7)) == ""


def test_a_sign_in_is_said_to_end_when_that_is_soon() -> None:
    held = token(refresh_expires=NOW + timedelta(days=30))
    assert lapses(held, application("own"), NOW) == []
    assert [each.cause for each in lapses(held, application("own"), NOW + timedelta(days=28))] == ["token_expired"]
    assert lapses(token(), application("google"), NOW) == []


def test_every_cause_is_known() -> None:
    from pathlib import Path

    import mailctl.domain.oauth_grants as grants

    named = {"wrong_audience", "wrong_tenant", "role_missing", "scope_missing", "other_account"}
    named |= {"offline_access_missing", "app_in_testing", "token_expired"}
    assert named <= load_knowledge().causes.keys()
    assert all(f'"{name}"' in Path(grants.__file__).read_text() for name in named)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
CLAIMS = ("aud", "iss", "scp", "scope", "roles", "upn", "email", "tid", "idtyp", "exp")


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(CLAIMS), JSON))
def test_any_claims_are_read_within_bounds(claims: dict[str, object]) -> None:
    found = read_claims(jwt(**claims))
    assert found is not None
    texts = (found.issuer, found.user, found.tenant, *found.audience, *found.scopes, *found.roles)
    assert max(map(len, texts)) <= 3 * LONGEST
    for grant in Grant:
        for service in ("google", "microsoft", "own"):
            for each in shortfalls(token(jwt(**claims)), application(service, grant), Protocol.IMAP, "a@b.c"):
                assert isinstance(each, Shortfall)


@given(st.text())
def test_any_text_is_a_token_of_which_nothing_is_known_or_something(text: str) -> None:
    assert isinstance(read_claims(BearerToken(text)), Claims | None)


@given(st.binary(max_size=300))
def test_any_octets_as_claims(octets: bytes) -> None:
    payload = base64.urlsafe_b64encode(octets).decode()
    assert isinstance(read_claims(BearerToken(f"a.{payload}.b")), Claims | None)


@pytest.mark.parametrize(
    "payload",
    ["[" * 9000, '{"scp":' + "[" * 9000, '{"exp":' + "9" * 9000 + "}", '{"exp":1e999}', '"x"', "[]", "{}" * 9],
)
def test_claims_that_are_none(payload: str) -> None:
    made = BearerToken(f"a.{base64.urlsafe_b64encode(payload.encode()).decode()}.b")
    assert read_claims(made) in (None, Claims())


def test_a_token_beyond_all_size_is_not_read() -> None:
    assert read_claims(jwt(pad="x" * 60_000)) is None


@given(st.lists(st.sampled_from([*SCOPES, GMAIL, "openid", "mail", "Mail.Read"]), max_size=5))
def test_more_scopes_never_lack_more(scopes: list[str]) -> None:
    for service in ("google", "microsoft", "own"):
        known = application(service, tenant="common")
        some, more = token(scopes=tuple(scopes)), token(scopes=(*scopes, *known.service.scopes["imap"]))
        assert len(lacking(more, known)) <= len(lacking(some, known))
        assert lacking(more, known) == []


def test_a_token_that_lacks_something_for_sure_is_not_given_out() -> None:
    held, use = token(user="eve@gmail.com"), Use(Protocol.IMAP)
    with pytest.raises(SecretError) as caught:
        fit(held, application("google"), use, "alice@gmail.com", "work", NOW)
    assert (caught.value.code, caught.value.cause) == ("oauth_lacks", "other_account")
    assert caught.value.message == "The token is of eve@gmail.com, not of alice@gmail.com"
    assert "mailctl auth login work" in caught.value.hint
    assert fit(held, application("google"), Use(Protocol.IMAP, shared=True), "alice@gmail.com", "work", NOW)


def test_what_is_likely_goes_along_with_the_token() -> None:
    held = token(scopes=("openid",), refresh_expires=NOW + timedelta(days=1))
    given = fit(held, application("own"), Use(Protocol.IMAP), "alice@example.org", "work", NOW)
    assert given == held.access_token
    assert given.facts == {"lacks:scope_missing"}
    assert given.warnings == ("The sign-in ends unless it is renewed by signing in again (2026-11-23 12:00 UTC)",)


def test_an_address_says_more_of_who_it_is_than_a_name() -> None:
    assert read_claims(jwt(preferred_username="alice", email="alice@example.org")) == Claims(user="alice@example.org")
    assert read_claims(jwt(preferred_username="alice")) == Claims(user="alice")


def test_the_id_token_tells_who_signed_in() -> None:
    told = {"access_token": "opaque", "id_token": jwt(email="eve@gmail.com").reveal()}
    for facts, user in ((told, "eve@gmail.com"), ({**told, "id_token": 7}, ""), ({**told, "id_token": "a.b"}, "")):
        assert token_of(facts, application("google"), NOW, "https://id.test/token").user == user
