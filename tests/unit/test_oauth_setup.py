"""What is entered when an application is registered, and what an identity provider tells of itself."""

import json
from typing import Any

import pytest

from mailctl.domain.deadline import Deadline
from mailctl.domain.discovery import Page
from mailctl.domain.oauth import Grant
from mailctl.domain.oauth_setup import check_client_id, check_tenant, doubts_of_secret, registration_steps
from mailctl.domain.secret import Secret
from mailctl.errors import NotFoundError, ProtocolError, UsageError
from mailctl.providers.catalog import load_oauth, oauth_services
from mailctl.providers.metadata import discover_issuer, metadata_urls, service_of

GUID = "00001111-aaaa-2222-bbbb-3333cccc4444"
GOOGLE = "123456789012-abcdef.apps.googleusercontent.com"


@pytest.mark.parametrize("id_", list(oauth_services()))
@pytest.mark.parametrize("grant", list(Grant))
def test_every_service_has_steps_that_are_filled_in(id_: str, grant: Grant) -> None:
    steps = registration_steps(load_oauth(id_), grant, "http://127.0.0.1")
    assert steps
    assert not [step for step in steps if "{" in step or not step.strip()]


def test_the_steps_say_what_to_enter() -> None:
    service = load_oauth("microsoft")
    steps = " ".join(registration_steps(service, Grant.AUTHORIZATION_CODE, "http://localhost"))
    for word in ("http://localhost", "IMAP.AccessAsUser.All", "offline_access", "personal Microsoft accounts"):
        assert word in steps
    assert "Allow public client flows" in " ".join(registration_steps(service, Grant.DEVICE_CODE, ""))
    assert "New-ServicePrincipal" in " ".join(registration_steps(service, Grant.CLIENT_CREDENTIALS, ""))
    delegation = " ".join(registration_steps(load_oauth("google"), Grant.SERVICE_ACCOUNT, ""))
    assert "domainwidedelegation" in delegation
    assert "https://mail.google.com/" in delegation


@pytest.mark.parametrize(("service", "good"), [("microsoft", GUID), ("google", GOOGLE), ("yahoo", "dj0yJm")])
def test_a_client_id_has_the_shape_of_its_service(service: str, good: str) -> None:
    assert check_client_id(load_oauth(service), f" {good}\n") == good
    for bad in ("", "a b", f"{good}\x1b[2J", "x" * 600):
        with pytest.raises(UsageError) as caught:
            check_client_id(load_oauth(service), bad)
        assert caught.value.code == "oauth_client_id"


def test_the_ids_of_two_services_are_not_taken_for_each_other() -> None:
    for service, other in (("microsoft", GOOGLE), ("google", GUID)):
        with pytest.raises(UsageError, match="is no client id of"):
            check_client_id(load_oauth(service), other)


def test_an_id_of_others_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    service = load_oauth("microsoft")
    assert service.others
    assert all(len(digest) == 16 and whose for digest, whose in service.others.items())
    import hashlib

    service.others[hashlib.sha256(GUID.encode()).hexdigest()[:16]] = "Somebody"
    for spelling in (GUID, GUID.upper()):
        with pytest.raises(UsageError, match=r"belongs to Somebody.*AADSTS65002") as caught:
            check_client_id(service, spelling)
        assert caught.value.code == "oauth_client_of_others"


@pytest.mark.parametrize("tenant", [GUID, "contoso.onmicrosoft.com", "example.org", "Common", "consumers"])
def test_tenants(tenant: str) -> None:
    assert check_tenant(Grant.AUTHORIZATION_CODE, f" {tenant} ", GOOGLE).lower() == tenant.lower()


@pytest.mark.parametrize("tenant", ["", "contoso", "a b.org", "-a.org", "https://example.org", GUID[:-1], "../x.y"])
def test_what_is_no_tenant(tenant: str) -> None:
    with pytest.raises(UsageError, match="is no tenant"):
        check_tenant(Grant.AUTHORIZATION_CODE, tenant, GUID)


def test_a_tenant_that_is_the_client_id_or_none_in_particular() -> None:
    with pytest.raises(UsageError, match="That is the client id"):
        check_tenant(Grant.AUTHORIZATION_CODE, GUID.upper(), GUID)
    with pytest.raises(UsageError, match="no single tenant"):
        check_tenant(Grant.CLIENT_CREDENTIALS, "common", GUID)


@pytest.mark.parametrize(
    ("service", "secret", "words"),
    [
        ("microsoft", GUID, "Secret ID"),
        ("microsoft", "abc8Q~x", ""),
        ("google", GOOGLE, "client id"),
        ("google", "abcdefg", "GOCSPX-"),
        ("google", "GOCSPX-abcdefg", ""),
        ("yahoo", "abc ", "white space"),
    ],
)
def test_doubts_of_a_client_secret(service: str, secret: str, words: str) -> None:
    found = " ".join(doubts_of_secret(load_oauth(service), Secret(secret)))
    assert words in found
    assert bool(found) == bool(words)
    assert secret.strip() not in found


ISSUER = "https://sso.example.org/realms/mail"
METADATA: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/auth",
    "token_endpoint": f"{ISSUER}/token",
    "device_authorization_endpoint": f"{ISSUER}/device",
    "revocation_endpoint": f"{ISSUER}/revoke",
    "scopes_supported": ["openid", "email", "phone", "offline_access"],
    "code_challenge_methods_supported": ["plain", "S256"],
}


def test_where_metadata_lies() -> None:
    assert metadata_urls(ISSUER) == (
        f"{ISSUER}/.well-known/openid-configuration",
        "https://sso.example.org/.well-known/oauth-authorization-server/realms/mail",
    )
    for bad in ("http://sso.example.org", "ftp://x", "https://", "https://a.example/?q", "https://[x", "https://a b"):
        with pytest.raises(UsageError):
            metadata_urls(bad)


def test_metadata_describe_a_service() -> None:
    asked = []

    def get(url: str, deadline: Deadline) -> Page | None:
        asked.append(url)
        return None if "openid" in url else Page(url, json.dumps(METADATA).encode())

    service = discover_issuer("sso", ISSUER, get, Deadline(5))
    assert len(asked) == 2
    assert service.device_authorization_endpoint == f"{ISSUER}/device"
    assert service.revocation_endpoint == f"{ISSUER}/revoke"
    assert service.scopes["smtp"] == ("openid", "email", "offline_access")
    assert not service.names_issuer
    said = json.dumps({**METADATA, "authorization_response_iss_parameter_supported": True}).encode()
    assert service_of("sso", ISSUER, said).names_issuer
    with pytest.raises(NotFoundError):
        discover_issuer("sso", ISSUER, lambda url, deadline: None, Deadline(5))


@pytest.mark.parametrize(
    "document",
    [
        b"<html>", b"[]", b"[" * 100_000, b"{}",
        json.dumps({**METADATA, "issuer": "https://evil.example"}).encode(),
        json.dumps({**METADATA, "issuer": ISSUER + "/"}).encode(),
        json.dumps({**METADATA, "token_endpoint": ""}).encode(),
        json.dumps({**METADATA, "token_endpoint": "http://sso.example.org/token"}).encode(),
        json.dumps({**METADATA, "token_endpoint": ["x"]}).encode(),
        json.dumps({**METADATA, "authorization_endpoint": "javascript:alert(1)"}).encode(),
        json.dumps({**METADATA, "authorization_endpoint": "https://a/\x1b"}).encode(),
        json.dumps({**METADATA, "revocation_endpoint": "https://[a"}).encode(),
    ],
)  # fmt: skip
def test_F10_metadata_that_are_none_are_refused(document: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        service_of("sso", ISSUER, document)
    assert caught.value.code == "oauth_metadata"
