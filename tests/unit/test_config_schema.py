"""The shape of configuration files: what is read, what is refused and how, and that what is written reads back."""

import string
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from mailctl.config.gateways import from_gateway, names_secrets, to_gateway
from mailctl.config.servers import from_server, to_server
from mailctl.config.settings import to_settings
from mailctl.config.shelf import parse_toml
from mailctl.domain.gateway import Gateway, Inbound, Login, Mode, Outbound, SecretSource, SourceKind
from mailctl.domain.server import CertificatePolicy, Endpoint, Protocol, Security, Server
from mailctl.domain.settings import Limits, Settings
from mailctl.errors import ConfigError

GOOD = {"server": "s", "email": "a@b.example"}

texts = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=30)
filled = texts.filter(lambda text: bool(text.strip()))
words = st.text(string.ascii_letters + string.digits, min_size=1, max_size=12)
optional_flag = st.none() | st.booleans()
counts = st.none() | st.integers(1, 10**9)
sizes = st.none() | st.integers(0, 2**40)
hosts = st.sampled_from(["imap.example.org", "127.0.0.1", "::1", "bücher.example", "localhost"])
sources = st.one_of(
    st.just(SecretSource()),
    st.just(SecretSource(SourceKind.OAUTH)),
    st.builds(lambda rest: SecretSource(SourceKind.COMMAND, ("pass", *rest)), st.lists(texts, max_size=3)),
    st.builds(lambda name: SecretSource(SourceKind.ENV, ("X" + name,)), words),
    st.builds(lambda path: SecretSource(SourceKind.FILE, ("/" + path,)), texts),
)
logins = st.builds(Login, filled, sources)
inbounds = st.builds(
    Inbound,
    enabled=optional_flag,
    protocol=st.sampled_from([None, Protocol.IMAP, Protocol.POP3]),
    mode=st.none() | st.sampled_from(Mode),
    folders=st.none() | st.lists(filled, max_size=4).map(tuple),
    keep_on_server=optional_flag,
    delete_after=st.none() | st.integers(1, 31_622_400),
    mark_seen=optional_flag,
    propagate_deletes=optional_flag,
    since=st.none() | st.dates().map(str) | st.integers(0, 99999).map(lambda days: f"{days}d"),
    max_per_run=counts,
    max_size=sizes,
    interval=st.none() | st.integers(1, 31_622_400),
    maildir=st.none() | filled,
)
outbounds = st.builds(
    Outbound, enabled=optional_flag, upload_sent=optional_flag, attachment_limit=sizes, daily_limit=counts
)
gateways = st.builds(
    Gateway,
    name=words,
    server=words,
    email=words.map(lambda word: f"{word}@bücher.example"),
    login=logins,
    smtp_login=st.none() | logins,
    owner=texts,
    shared=st.booleans(),
    display_name=texts,
    reply_to=st.sampled_from(["", "x@y.example"]),
    order=st.integers(-1_000_000, 1_000_000),
    enabled=st.booleans(),
    allow_plaintext=st.booleans(),
    inbound=inbounds,
    outbound=outbounds,
)
servers = st.builds(
    Server,
    name=words,
    provider=st.none() | words,
    endpoints=st.dictionaries(
        st.sampled_from(Protocol),
        st.builds(Endpoint, hosts, st.integers(1, 65535), st.sampled_from(Security)),
        min_size=1,
    ),
    certificate=st.builds(
        CertificatePolicy,
        ca_file=st.none() | filled,
        fingerprints=st.lists(st.text("0123456789abcdef", min_size=64, max_size=64), max_size=2).map(tuple),
        verify=st.booleans(),
        minimum_tls=st.sampled_from(["1.2", "1.3"]),
    ),
)


@given(gateways)
def test_a_gateway_survives_its_file(gateway: Gateway) -> None:
    assert to_gateway(gateway.name, parse_toml(tomli_w.dumps(from_gateway(gateway)))) == (gateway, [])
    kinds = {login.secret.kind for login in gateway.logins.values()}
    assert names_secrets(gateway) == bool(kinds & {SourceKind.COMMAND, SourceKind.FILE})


@given(servers)
def test_a_server_survives_its_file(server: Server) -> None:
    assert to_server(server.name, parse_toml(tomli_w.dumps(from_server(server)))) == (server, [])


@given(st.dictionaries(words | st.sampled_from(["server", "inbound", "login", "imap"]), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)))  # fmt: skip
def test_any_tables_are_read_or_refused(data: dict[str, Any]) -> None:
    for read in (to_gateway, to_server):
        for problem in read("x", data)[1]:
            assert "\n" not in problem.message
    to_settings(data)


@pytest.mark.parametrize(
    ("more", "key", "message"),
    [
        ({"emial": "x"}, "emial", "unknown key"),
        ({"email": 3}, "email", "must be an e-mail address, not 3"),
        ({"email": "nobody"}, "email", "'nobody' is not an e-mail address"),
        ({"email": "a@-x.example"}, "email", "The domain in 'a@-x.example' is not a domain name"),
        ({"email": "a@\u0301x.example"}, "email", ""),
        ({"server": "../x"}, "server", "must be the name of a server, not '../x'"),
        ({"server": "a\x1bb"}, "server", "must be the name of a server, not 'a\\x1bb'"),
        ({"owner": "a\nb"}, "owner", "'a\\nb' has control characters"),
        ({"order": True}, "order", "must be a whole number from -1000000 to 1000000, not True"),
        ({"enabled": "yes"}, "enabled", "must be true or false, not 'yes'"),
        ({"inbound": 3}, "inbound", "must be a table: [inbound]"),
        ({"inbound": {"protocol": "smtp"}}, "inbound.protocol", "must be one of imap, pop3, not 'smtp'"),
        ({"inbound": {"folders": "INBOX"}}, "inbound.folders", "must be a list, each item text that isn't empty"),
        ({"inbound": {"max_size": "big"}}, "inbound.max_size", "'big' is not a size"),
        ({"inbound": {"interval": 0}}, "inbound.interval", "must be a time such as 15m"),
        ({"inbound": {"since": "soon"}}, "inbound.since", "'soon' is neither a date"),
        ({"login": {"secret": "hunter2"}}, "login.secret", 'must be "keyring", "encrypted", "oauth"'),
        ({"login": {"secret": {"command": "pass x"}}}, "login.secret", "command must be a list of words"),
        ({"login": {"secret": {"command": ["a\0b"]}}}, "login.secret", "command must be a list of words without NUL"),
        ({"login": {"secret": {"env": "A B"}}}, "login.secret", "env must be the name of an environment variable"),
        ({"login": {"secret": {"file": ""}}}, "login.secret", 'must be "keyring"'),
        ({"login": {"password": "x"}}, "login.password", "unknown key"),
    ],
)
def test_what_is_wrong_with_a_gateway(more: dict[str, Any], key: str, message: str) -> None:
    _, problems = to_gateway("g", GOOD | more)
    assert [problem.key for problem in problems] == [key]
    assert problems[0].message.startswith(message)
    assert "hunter2" not in problems[0].message


def test_what_is_missing_and_what_was_meant() -> None:
    assert [(p.key, p.message) for p in to_gateway("g", {})[1]] == [("server", "is missing"), ("email", "is missing")]
    assert to_gateway("g", GOOD | {"emial": ""})[1][0].fix == "Did you mean 'email'?"
    assert to_gateway("g", GOOD | {"interval": "5m"})[1][0].fix == "Did you mean 'inbound.interval'?"
    assert to_server("s", {})[1][0].message == "has no endpoint"
    assert to_server("s", {"imap": {}})[1][0].key == "imap.host"


@pytest.mark.parametrize(
    ("endpoint", "key"),
    [
        ({"host": "h", "port": 0}, "imap.port"),
        ({"host": "h", "port": 70000}, "imap.port"),
        ({"host": "h", "port": "993"}, "imap.port"),
        ({"host": "h", "security": "ssl"}, "imap.security"),
        ({"host": "imaps://h"}, "imap.host"),
        ({"host": "a b"}, "imap.host"),
        ({"host": "h\r\nx"}, "imap.host"),
        ({"host": "a..b"}, "imap.host"),
        ({"host": "-x\u00fc.example"}, "imap.host"),
        ({"host": "\u2764\u200d.example"}, "imap.host"),
        ({"hots": "h", "host": "h"}, "imap.hots"),
    ],
)
def test_what_is_wrong_with_a_server(endpoint: dict[str, Any], key: str) -> None:
    assert [problem.key for problem in to_server("s", {"imap": endpoint})[1]] == [key]


def test_defaults_of_endpoints() -> None:
    server, problems = to_server("s", {"imap": {"host": "h"}, "smtp": {"host": "h", "security": "starttls"}})
    assert problems == []
    assert [(str(e), e.security) for e in server.endpoints.values()] == [("h:993", "tls"), ("h:587", "starttls")]


def test_settings() -> None:
    text = """
        timeout = "20s"
        jobs = 3
        [limits]
        gateways_per_owner = 2
        allowed_domains = ["*.example"]
        minimum_tls = "1.3"
        connections = 1
        [log]
        keep = "12w"
        [inbound]
        interval = "1h"
    """
    limits = Limits(2, ("*.example",), "1.3", connections=1)
    wanted = Settings(limits, inbound=Inbound(interval=3600), log_keep_days=84, timeout=20.0, jobs=3)
    assert to_settings(parse_toml(text)) == (wanted, [])
    assert to_settings(parse_toml('[log]\nkeep = "forever"'))[0].log_keep_days is None
    assert to_settings({}) == (Settings(), [])
    wrong = parse_toml('jobs = 0\ntimeout = 0\n[log]\nkeep = 0\n[inbound]\nmaildir = "x"\n[limits]\nminimum_tls = 1.2')
    assert len(to_settings(wrong)[1]) == 5


@pytest.mark.parametrize("text", ["a = ", "= 1", "[a", 'a = "\x00"', "a = 1\na = 2", "a = 2026-02-31", "[" * 5000])
def test_what_is_not_toml(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_toml(text)
    with pytest.raises(ConfigError):
        parse_toml("a = " + text)
