"""`[oauth.NAME]` and `oauth/NAME.toml`: what they may hold, what they leave to the shipped service, what is refused."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.config.gateways import from_gateway, to_gateway
from mailctl.config.oauth import from_application, to_application
from mailctl.config.schema import KeyProblem
from mailctl.config.store import ConfigStore
from mailctl.domain.gateway import SecretSource, SourceKind
from mailctl.domain.oauth import Application, Grant
from mailctl.errors import ConfigError, NotFoundError
from mailctl.providers.catalog import load_oauth, oauth_services

SERVICES = oauth_services()
ID = "11111111-2222-3333-4444-555555555555"
OWN = {
    "client_id": "mailctl",
    "authorization_endpoint": "https://sso.example.org/auth",
    "token_endpoint": "https://sso.example.org/token",
}


def read(name: str, data: dict[str, Any]) -> Application:
    found, problems = to_application(name, data, SERVICES)
    assert not problems
    assert to_application(name, from_application(found, SERVICES), SERVICES) == (found, [])
    return found


def wrong(name: str, data: dict[str, Any]) -> list[KeyProblem]:
    return to_application(name, data, SERVICES)[1]


def test_what_a_table_leaves_out_is_the_shipped_services() -> None:
    found = read("google", {"client_id": "1-a.apps.googleusercontent.com", "client_secret": {"env": "SECRET"}})
    assert found.service == load_oauth("google")
    assert (found.grant, found.tenant, found.redirect) == (Grant.AUTHORIZATION_CODE, "", "http://127.0.0.1")
    assert found.client_secret == SecretSource(SourceKind.ENV, ("SECRET",))


def test_the_tenant_is_filled_in() -> None:
    assert "/common/" in read("microsoft", {"client_id": ID}).service.token_endpoint
    found = read("work", {"service": "microsoft", "client_id": ID, "tenant": "example.org"})
    assert found.service.id == "microsoft"
    assert found.service.issuer == "https://login.microsoftonline.com/example.org/v2.0"
    assert found.service.device_authorization_endpoint.endswith("/example.org/oauth2/v2.0/devicecode")
    assert found.redirect == "http://localhost"


def test_an_identity_provider_of_ones_own() -> None:
    found = read("sso", {**OWN, "scopes": ["openid", "email"], "sasl": ["OAUTHBEARER"]})
    assert found.service.id == "sso"
    assert found.service.scopes == dict.fromkeys(("imap", "pop3", "smtp"), ("openid", "email"))
    assert read("sso", {**OWN, "scopes": {"imap": ["a"], "smtp": ["b"]}}).service.scopes == {
        "imap": ("a",),
        "smtp": ("b",),
    }
    assert read("sso", OWN).service.sasl == ("OAUTHBEARER", "XOAUTH2")


def test_the_endpoints_of_a_shipped_service_may_be_others() -> None:
    own = {"client_id": ID, "token_endpoint": "https://login.microsoftonline.us/t/token", "tenant": "t"}
    found = read("microsoft", own)
    assert found.service.token_endpoint == own["token_endpoint"]
    assert "/t/" in found.service.authorization_endpoint


def test_a_service_account_has_a_key_and_no_client_id() -> None:
    found = read("google", {"grant": "service_account", "key": {"file": "/etc/mail/key.json"}})
    assert (found.client_id, found.grant) == ("", Grant.SERVICE_ACCOUNT)


@pytest.mark.parametrize(
    ("name", "data", "key", "words"),
    [
        ("google", {}, "client_id", "is missing"),
        ("gogle", {"client_id": "x"}, "service", "Did you mean 'google'?"),
        ("work", {"client_id": "x"}, "service", "or give token_endpoint"),
        ("work", {"client_id": "x", "service": "microsft"}, "service", "Did you mean 'microsoft'?"),
        ("google", {"client_id": "x", "client_idd": "x"}, "client_idd", "Did you mean 'client_id'?"),
        ("google", {"client_id": "x y"}, "client_id", "text without spaces"),
        ("google", {"client_id": "x", "tenant": "common"}, "tenant", "has no tenants"),
        ("google", {"client_id": "x", "grant": "password"}, "grant", "one of authorization_code"),
        ("google", {"client_id": "x", "scopes": ["a b"]}, "scopes", "without spaces"),
        ("google", {"client_id": "x", "scopes": {"jmap": []}}, "scopes", "a list of scopes"),
        ("google", {"client_id": "x", "sasl": ["PLAIN"]}, "sasl", "XOAUTH2"),
        ("google", {"grant": "service_account"}, "key", "is missing"),
        ("google", {"grant": "service_account", "key": "keyring"}, "key", "must be {command"),
        ("microsoft", {"client_id": ID, "grant": "client_credentials", "tenant": "t"}, "client_secret", "is missing"),
        ("microsoft", {"client_id": ID, "tenant": "a/../b"}, "tenant", "a tenant's id or domain"),
        (
            "yahoo",
            {"client_id": "x", "grant": "device_code"},
            "device_authorization_endpoint",
            "No device endpoint is known",
        ),
        ("sso", {**OWN, "token_endpoint": "http://sso.example.org/"}, "token_endpoint", "must be https"),
        ("sso", {**OWN, "token_endpoint": "https://a@sso.example.org/"}, "token_endpoint", "user"),
        ("sso", {**OWN, "token_endpoint": "https://sso.example.org:x/"}, "token_endpoint", "an address"),
        ("sso", {**OWN, "token_endpoint": "javascript:alert(1)"}, "token_endpoint", "an address"),
        ("sso", {**OWN, "token_endpoint": "https://sso.example.org/\r\nX: y"}, "token_endpoint", "an address"),
        ("sso", {"client_id": "x", "token_endpoint": "https://a.example"}, "authorization_endpoint", "is missing"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(name: str, data: dict[str, Any], key: str, words: str) -> None:
    problems = wrong(name, data)
    assert [problem.key for problem in problems] == [key]
    assert words in f"{problems[0].message} {problems[0].fix}"


@pytest.mark.parametrize("secret", ["hunter2hunter2", {"oauth": "x"}, "oauth"])
def test_a_client_secret_in_the_file_is_refused_and_not_shown(secret: Any) -> None:
    (problem,) = wrong("google", {"client_id": "x", "client_secret": secret})
    assert problem.key == "client_secret"
    assert "hunter2" not in str(problem)
    assert "never stands" in problem.fix


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "[::1]:8080", "localhost"])
def test_http_goes_to_loopback(host: str) -> None:
    assert read("sso", {**OWN, "token_endpoint": f"http://{host}/token"})


urls = st.sampled_from(["https://a.example/x", "https://b.example", "http://127.0.0.1:1/t"])


@given(
    st.fixed_dictionaries(
        {"client_id": st.from_regex(r"[a-zA-Z0-9.-]{1,40}", fullmatch=True)},
        optional={
            "service": st.sampled_from([*SERVICES]),
            "redirect": urls,
            "client_secret": st.sampled_from(["keyring", {"file": "/k"}, {"env": "A"}, {"command": ["pass", "x"]}]),
            "scopes": st.lists(st.sampled_from(["a", "https://b/"])),
            "sasl": st.lists(st.sampled_from(["XOAUTH2", "OAUTHBEARER"])),
            **dict.fromkeys(("issuer", "authorization_endpoint", "token_endpoint", "revocation_endpoint"), urls),
        },
    ),
    st.sampled_from(["google", "microsoft", "own"]),
)
def test_what_can_be_read_is_written_as_it_was(data: dict[str, Any], name: str) -> None:
    found, problems = to_application(name, data, SERVICES)
    if not problems:
        assert to_application(name, from_application(found, SERVICES), SERVICES) == (found, [])


@pytest.mark.parametrize(
    ("secret", "argument"),
    [
        ("oauth", ()),
        ({"oauth": ""}, ()),
        ({"oauth": "", "store": "keyring"}, ()),
        ({"oauth": "work"}, ("work", "keyring")),
        ({"oauth": "", "store": "encrypted"}, ("", "encrypted")),
        ({"oauth": "work", "store": "encrypted"}, ("work", "encrypted")),
    ],
)
def test_a_login_names_its_application(secret: Any, argument: tuple[str, ...]) -> None:
    table = {"server": "s", "email": "a@example.org", "login": {"user": "a", "secret": secret}}
    gateway, problems = to_gateway("g", table)
    assert not problems
    assert gateway.login.secret == SecretSource(SourceKind.OAUTH, argument)
    assert to_gateway("g", from_gateway(gateway)) == (gateway, [])


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ({"oauth": "a/b"}, "name of an application"),
        ({"oauth": 1}, "name of an application"),
        ({"oauth": "a", "store": "file"}, "keyring or encrypted"),
        ({"oauth": "a", "keyring": "b"}, "unknown key"),
    ],
)
def test_a_login_that_names_none_is_refused(secret: Any, words: str) -> None:
    table = {"server": "s", "email": "a@example.org", "login": {"secret": secret}}
    assert words in to_gateway("g", table)[1][0].message


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "oauth").mkdir(mode=0o700)
    return tmp_path


def test_config_toml_wins_over_a_file(root: Path) -> None:
    (root / "oauth/google.toml").write_text('client_id = "file"\n')
    (root / "oauth/yahoo.toml").write_text('client_id = "file"\n')
    store = ConfigStore(root, oauth_services)
    assert store.applications.read("google").client_id == "file"
    (root / "config.toml").write_text('[oauth.google]\nclient_id = "own"\n')
    store = ConfigStore(root, oauth_services)
    assert store.applications.read("google").client_id == "own"
    assert [each.client_id for each in store.applications.listing().objects] == ["own", "file"]
    assert store.applications.names() == ["google", "yahoo"]
    assert store.applications.in_settings("google")
    assert not store.problems()


def test_what_is_saved_is_private_and_read_again(root: Path) -> None:
    store = ConfigStore(root, oauth_services)
    application = read("microsoft", {"client_id": ID, "tenant": "example.org"})
    assert store.applications.save(application).changed
    assert not store.applications.save(application).changed
    path = root / "oauth/microsoft.toml"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == f'client_id = "{ID}"\ntenant = "example.org"\n'
    assert ConfigStore(root, oauth_services).applications.read("microsoft") == application


def test_problems_name_file_and_key(root: Path) -> None:
    (root / "config.toml").write_text('[oauth.google]\nclient = "x"\n[oauth."a/b"]\n')
    (root / "oauth/sso.toml").write_text('client_id = "x"\n')
    (root / "gateways").mkdir()
    table = 'server = "s"\nemail = "a@example.org"\n[login]\nsecret = {oauth = "gogle"}\n'
    (root / "gateways/g.toml").write_text(table)
    (root / "servers").mkdir()
    (root / "servers/s.toml").write_text('[imap]\nhost = "mail.example.org"\n')
    found = {(Path(each.file).name, each.key): each for each in ConfigStore(root, oauth_services).problems()}
    assert set(found) == {
        ("config.toml", "oauth.google.client"),
        ("config.toml", "oauth.a/b"),
        ("sso.toml", "service"),
        ("g.toml", "login.secret"),
    }
    assert found["g.toml", "login.secret"].fix == "Did you mean 'google'?"
    with pytest.raises(ConfigError):
        ConfigStore(root, oauth_services).applications.read("sso")
    (root / "config.toml").unlink()
    with pytest.raises(NotFoundError) as caught:
        ConfigStore(root, oauth_services).applications.read("google")
    assert caught.value.hint == "`mailctl auth setup google` makes one."


def test_a_table_of_applications_is_called_oauth(root: Path) -> None:
    (root / "config.toml").write_text('[outh.google]\nclient_id = "x"\n')
    assert "'oauth'" in ConfigStore(root, oauth_services).problems()[0].fix
    (root / "config.toml").write_text('oauth = "google"\n')
    assert "[oauth.NAME]" in ConfigStore(root, oauth_services).problems()[0].message
    (root / "config.toml").write_text('[oauth]\ngoogle = "x"\n')
    assert "must be a table" in ConfigStore(root, oauth_services).problems()[0].message


def test_D7_an_application_that_others_can_write_is_not_used(root: Path) -> None:
    text = 'client_id = "x"\nclient_secret = {command = ["pass", "x"]}\n'
    (root / "oauth/google.toml").write_text(text)
    os.chmod(root / "oauth/google.toml", 0o666)
    assert "is not used" in ConfigStore(root, oauth_services).problems()[0].message
    (root / "oauth/google.toml").unlink()
    (root / "config.toml").write_text(f"[oauth.google]\n{text}")
    os.chmod(root / "config.toml", 0o620)
    store = ConfigStore(root, oauth_services)
    assert "others can write" in store.problems()[0].message
    with pytest.raises(ConfigError):
        _ = store.settings
