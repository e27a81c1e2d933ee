"""Every preset file: its schema, its facts as far as they can be checked here, and what follows from them."""

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mailctl.providers
from mailctl.domain.gateway import Inbound
from mailctl.domain.provider import (
    Provider,
    SignIn,
    Status,
    filled,
    inbound_defaults,
    outbound_defaults,
    server_of,
    sign_in_advice,
    unusable,
    user_name,
)
from mailctl.domain.server import Protocol, Security
from mailctl.errors import ConfigError, NotFoundError, UsageError
from mailctl.providers import catalog
from mailctl.providers.schema import oauth_service_of, provider_of

HOST = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
FOLDER = Path(mailctl.providers.__file__).parent


@pytest.fixture(params=catalog.ids())
def provider(request: pytest.FixtureRequest) -> Provider:
    return catalog.load(request.param)


def test_all_curated_presets_are_there() -> None:
    assert len(catalog.ids()) == 140
    wanted = "gmail google-workspace outlook office365 aol yandex mailru rambler hotmail-pop-legacy yahoo icloud gmx"
    assert set(wanted.split()) <= set(catalog.ids())


def test_ids_aliases_and_domains_are_unique() -> None:
    providers = catalog.load_all()
    names = [name for p in providers for name in (p.id, *p.aliases)]
    domains = [domain for p in providers for domain in p.domains]
    assert len(names) == len(set(names))
    assert len(domains) == len(set(domains))


def test_names_and_domains_are_well_formed(provider: Provider) -> None:
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,40}", name) for name in (provider.id, *provider.aliases))
    assert all(HOST.fullmatch(domain.removeprefix("*.")) for domain in provider.domains)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", provider.as_of)
    assert bool(provider.ends) == (provider.status is Status.ENDING)


def test_endpoints_are_well_formed(provider: Provider) -> None:
    whole = filled(provider, {"domain": "example.org", "region": "eu-west-1"})
    for protocol, endpoints in whole.endpoints.items():
        assert endpoints
        assert len(endpoints) == len(set(endpoints))
        assert protocol in provider.sign_in
        for endpoint in endpoints:
            assert HOST.fullmatch(endpoint.host) or endpoint.host == "127.0.0.1"
            assert endpoint.security is not Security.NONE
    assert set(provider.sign_in) == set(provider.endpoints)


def test_mx_patterns_are_linear_and_match_whole_names(provider: Provider) -> None:
    for pattern in provider.mx:
        re.compile(pattern)
        rest = pattern.removeprefix(r"(.+\.)?").removeprefix(r".+\.")
        assert not re.search(r"[*+{]|\.(?<!\\\.)", rest), "an unbounded repeat inside the pattern"
        assert not pattern.startswith("^")
        assert rest.count(r"\.") >= 1


def test_links_are_https(provider: Provider) -> None:
    setup = provider.setup
    for link in (setup.enable_url, setup.app_password_url, setup.help_url, *provider.links):
        assert not link or re.fullmatch(r"https://[^\s<>\"]+", link)


def test_words_are_mailctl_s_own_and_printable(provider: Provider) -> None:
    texts = (
        *provider.setup.steps, *provider.quirks, *provider.notes, *provider.unverified,
        provider.sign_in_note, provider.username_note,
    )  # fmt: skip
    for text in filter(None, texts):
        assert text.isprintable()
        assert text.strip() == text
        assert text.endswith((".", ")", '."')), text
        assert text[0].isupper() or text.split("@")[0].split()[0].islower()
        assert not re.search(r"FairEmail|ISPDB|nodemailer|Delta ?Chat|email-oauth2|EmailEngine|cloudHQ|catalogue", text)


def test_a_preset_makes_a_server_or_says_why_not(provider: Provider) -> None:
    values = {"domain": "example.org", "region": "eu-west-1"}
    if provider.status in (Status.UNSUPPORTED, Status.GUIDE):
        with pytest.raises(UsageError) as caught:
            server_of(provider, "x", values)
        assert provider.name in caught.value.message
        assert caught.value.hint
        return
    server = server_of(provider, "x", {name: values[name] for name in provider.placeholders()})
    assert server.provider == provider.id
    assert server.endpoints
    if provider.placeholders():
        assert unusable(provider)
        with pytest.raises(UsageError) as caught:
            server_of(provider, "x")
        assert all(f"--{name} " in caught.value.hint for name in provider.placeholders())


def test_advice_says_what_is_needed(provider: Provider) -> None:
    advice = " ".join(sign_in_advice(provider))
    words = {
        SignIn.OAUTH: "OAuth",
        SignIn.APP_PASSWORD: "app password",
        SignIn.MAIL_PASSWORD: "password made for the mailbox",
        SignIn.AUTH_CODE: "authorization code",
        SignIn.API_KEY: "API key",
        SignIn.BRIDGE_PASSWORD: "bridge",
        SignIn.NONE: "neither IMAP nor POP3 nor SMTP" if provider.status is Status.UNSUPPORTED else "no mail service",
        SignIn.PASSWORD: "",
    }
    assert words[provider.needs()] in advice
    assert provider.setup.app_password_url in advice
    for protocol in provider.endpoints:
        assert sign_in_advice(provider, protocol) or provider.needs(protocol) is SignIn.PASSWORD


def test_oauth_services_load_and_are_named_where_used() -> None:
    used = {p.oauth for p in catalog.load_all() if p.oauth}
    stored = {path.stem for path in (FOLDER / "oauth").glob("*.toml")}
    assert used == stored
    for provider in catalog.load_all():
        methods = {method for each in provider.sign_in.values() for method in each}
        assert (SignIn.OAUTH in methods) == bool(provider.oauth)
    for id_ in stored:
        service = catalog.load_oauth(id_)
        assert service.token_endpoint.startswith("https://")
        assert service.sasl
        assert set(service.scopes) <= {"imap", "pop3", "smtp", "imap_readonly"}
    with pytest.raises(NotFoundError):
        catalog.load_oauth("../oauth/google")


@pytest.mark.parametrize(
    ("domain", "id_"),
    [
        ("gmail.com", "gmail"), ("GoogleMail.com.", "gmail"), ("hotmail.co.uk", "outlook"), ("aol.com", "aol"),
        ("ya.ru", "yandex"), ("bk.ru", "mailru"), ("rambler.ru", "rambler"), ("contoso.onmicrosoft.com", "office365"),
        ("nyc.rr.com", "twc"), ("example.org", None), ("com", None), ("", None), ('x"y', None),
    ],
)  # fmt: skip
def test_by_domain(domain: str, id_: str | None) -> None:
    found = catalog.by_domain(domain)
    assert (found.id if found else None) == id_


@pytest.mark.parametrize(
    ("host", "id_"),
    [
        ("aspmx.l.google.com", "google-workspace"), ("ALT1.ASPMX.L.GOOGLE.COM.", "google-workspace"),
        ("smtp.google.com", "google-workspace"), ("contoso-com.mail.protection.outlook.com", "office365"),
        ("outlook-com.olc.protection.outlook.com", "outlook"), ("mx.yandex.net", "yandex"), ("mxs.mail.ru", "mailru"),
        ("in1-smtp.messagingengine.com", "fastmail"), ("mta7.am0.yahoodns.net", "yahoo"),
        ("aspmx.l.google.com.evil.example", None), ("xsmtp.google.com", None), ("a" * 5000, None), ("", None),
    ],
)  # fmt: skip
def test_by_mx(host: str, id_: str | None) -> None:
    found = catalog.by_mx(host)
    assert (found.id if found else None) == id_


@pytest.mark.parametrize(
    ("host", "id_"),
    [("imap.gmail.com", "google-workspace"), ("outlook.office365.com", "office365"), ("imap.fastmail.com", "fastmail"),
     ("mx.example", None), ("", None)],
)  # fmt: skip
def test_by_host_prefers_who_takes_in_other_domains(host: str, id_: str | None) -> None:
    found = catalog.by_host(host)
    assert (found.id if found else None) == id_


def test_load_takes_aliases_and_suggests() -> None:
    assert catalog.load("Hotmail").id == "outlook"
    assert catalog.load("mail.ru").id == "mailru"
    with pytest.raises(NotFoundError, match="'gmial'") as caught:
        catalog.load("gmial")
    assert "'gmail'" in caught.value.hint
    with pytest.raises(NotFoundError):
        catalog.load("../gmail")


def test_search() -> None:
    assert [p.id for p in catalog.search("yandex")] == ["yandex"]
    assert {"outlook", "hotmail-pop-legacy"} <= {p.id for p in catalog.search("hotmail")}
    assert catalog.search("no such thing") == ()


@given(st.text(max_size=300))
def test_lookups_never_fail_on_any_text(text: str) -> None:
    catalog.by_domain(text)
    catalog.by_mx(text)
    catalog.search(text)


def test_a_name_that_is_no_unicode_is_just_not_there() -> None:
    with pytest.raises(NotFoundError):
        catalog.load("gmail\udcff")


def test_what_providers_decide() -> None:
    assert outbound_defaults(catalog.load("gmail")).upload_sent is False
    assert outbound_defaults(catalog.load("outlook")).upload_sent is False
    assert outbound_defaults(catalog.load("office365")).upload_sent is False
    assert outbound_defaults(catalog.load("gmail")).attachment_limit == 25_000_000
    assert outbound_defaults(catalog.load("posteo")).upload_sent is None
    assert inbound_defaults(catalog.load("gmail")) == Inbound()
    assert inbound_defaults(catalog.load("hiworks")).protocol is Protocol.POP3
    assert inbound_defaults(catalog.load("sendgrid")).enabled is False
    assert user_name(catalog.load("webde").username, "a.b@web.de") == "a.b"
    assert user_name(catalog.load("icloud").username, "a.b@me.com") == "a.b@me.com"
    assert outbound_defaults(catalog.load("icloud")).daily_limit == 1000


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ('nmae = "x"\n', "unknown key 'nmae'"),
        ("aliases = [1]\n", "list of strings"),
        ("mx_certain = 1\n", "type bool"),
    ],
)
def test_unknown_keys_and_wrong_types_are_errors(change: str, complaint: str) -> None:
    text = change + (FOLDER / "presets" / "rambler.toml").read_text(encoding="utf-8").replace(
        "aliases", "quirks" if "aliases" in change else "aliases"
    )
    with pytest.raises(ConfigError, match=complaint):
        provider_of("rambler", tomllib.loads(text))


@pytest.mark.parametrize("where", ["[endpoints]", "[username]", "[sign_in]", "[setup]"])
def test_unknown_keys_are_errors_in_every_table(where: str) -> None:
    text = (FOLDER / "presets" / "rambler.toml").read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match="unknown key 'surprise'"):
        provider_of("rambler", tomllib.loads(text.replace(where, where + "\nsurprise = 1")))
    with pytest.raises(ConfigError, match="port"):
        provider_of("rambler", tomllib.loads(text.replace("993", "99300")))
    with pytest.raises(ConfigError, match="must be one of tls, starttls, none"):
        provider_of("rambler", tomllib.loads(text.replace('"tls"', '"ssl"')))
    with pytest.raises(ConfigError, match="issuer is missing"):
        oauth_service_of("x", {})
