"""What answers amount to: SRV order, merging, autoconfig documents (hostile ones too), and the questions asked."""

from itertools import pairwise
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.domain.address import Address, parse_address
from mailctl.domain.deadline import Deadline
from mailctl.domain.discovery import (
    Answered,
    Asked,
    Candidate,
    Discovery,
    Finding,
    MxRecord,
    Page,
    Source,
    SrvRecord,
    host_name,
    ordered,
)
from mailctl.domain.provider import SignIn
from mailctl.domain.server import Endpoint, Protocol, Security
from mailctl.errors import NetworkError, ProtocolError
from mailctl.providers import autoconfig
from mailctl.providers.discovery import Answer, Question, Reply, ask_all, discover, merge, rank
from mailctl.providers.srv import from_srv

ADDRESS = Address("s3cret.local", "example.org")
URL = "https://autoconfig.example.org/mail/config-v1.1.xml"

records = st.builds(
    SrvRecord, st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 65535), st.text(max_size=30)
)
endpoints = st.builds(
    Endpoint, st.sampled_from(["a.example", "b.example"]), st.sampled_from([143, 993]), st.sampled_from(list(Security))
)
candidates = st.builds(
    Candidate,
    st.sampled_from(list(Protocol)),
    endpoints,
    st.builds(Finding, st.sampled_from(list(Source)), st.text(max_size=3)).map(lambda finding: (finding,)),
    st.sampled_from(["", "user"]),
)


def reply(source: Source, subject: str, answer: Answer, answered: Answered = Answered.FOUND) -> Reply:
    return Reply(Question(source, subject, lambda _: answer), answer, Asked(source, subject, answered, 1))


def document(servers: str) -> bytes:
    return f'<clientConfig version="1.1"><emailProvider id="x">{servers}</emailProvider></clientConfig>'.encode()


def incoming(
    host: str = "imap.example.org", port: str = "993", security: str = "SSL", user: str = "", more: str = ""
) -> str:
    return (
        f'<incomingServer type="imap"><hostname>{host}</hostname><port>{port}</port>'
        f"<socketType>{security}</socketType><username>{user}</username>{more}</incomingServer>"
    )


@given(st.lists(records))
def test_srv_records_are_ordered_by_priority_then_weight(given_: list[SrvRecord]) -> None:
    result = ordered(given_)
    assert sorted(result, key=hash) == sorted(given_, key=hash)
    assert result == ordered(list(reversed(given_)))
    for first, second in pairwise(result):
        assert (first.priority, -first.weight) <= (second.priority, -second.weight)


@given(st.lists(records))
def test_srv_records_of_any_content_give_valid_endpoints(given_: list[SrvRecord]) -> None:
    found, warnings = from_srv("_imaps._tcp.example.org", given_)
    assert len(found) + len(warnings) == sum(bool(record.target) for record in given_)
    for each in found:
        assert host_name(each.endpoint.host) == each.endpoint.host
        assert 1 <= each.endpoint.port <= 65535


def test_srv_security_and_evidence() -> None:
    def one(name: str, port: int) -> Endpoint:
        return from_srv(f"{name}.example.org", [SrvRecord(0, 1, port, "Mail.Example.ORG.")])[0][0].endpoint

    assert one("_imaps._tcp", 993) == Endpoint("mail.example.org", 993, Security.TLS)
    assert one("_imap._tcp", 143) == Endpoint("mail.example.org", 143, Security.STARTTLS)
    assert one("_imap._tcp", 993).security is Security.TLS
    assert one("_pop3s._tcp", 995).security is Security.TLS
    assert one("_submission._tcp", 587).security is Security.STARTTLS
    assert one("_submissions._tcp", 465).security is Security.TLS
    found, _ = from_srv("_imaps._tcp.example.org", [SrvRecord(5, 7, 993, "mail.example.org")])
    assert found[0].found == (Finding(Source.SRV, "_imaps._tcp.example.org SRV 5 7 993 mail.example.org"),)


@given(st.lists(candidates))
def test_ranking_keeps_every_endpoint_once_and_every_finding(given_: list[Candidate]) -> None:
    ranked = rank(given_)
    keys = [(each.protocol, each.endpoint) for each in ranked]
    assert len(keys) == len(set(keys))
    assert set(keys) == {(each.protocol, each.endpoint) for each in given_}
    assert {f for each in ranked for f in each.found} == {f for each in given_ for f in each.found}
    for protocol in Protocol:
        mine = [each for each in ranked if each.protocol is protocol]
        plain = [each.endpoint.security is Security.NONE for each in mine]
        assert plain == sorted(plain), "what has no TLS comes last"
        for part in (False, True):
            order = [list(Source).index(c.found[0].source) for c, p in zip(mine, plain, strict=True) if p is part]
            assert order == sorted(order)


def test_sources_in_order_and_outside_hosts_only_with_a_warning() -> None:
    page = Page(URL, document(incoming() + incoming("imap.elsewhere.example")))
    found = merge(
        ADDRESS,
        "example.org",
        [
            reply(Source.SRV, "_imaps._tcp.example.org", [SrvRecord(0, 1, 993, "imap.stranger.example")]),
            reply(Source.AUTOCONFIG, URL, page),
            reply(Source.MX, "example.org", [MxRecord(10, "aspmx.l.google.com")]),
        ],
    )
    imap = [(each.endpoint.host, each.found[0].source) for each in found.candidates if each.protocol is Protocol.IMAP]
    assert imap == [
        ("imap.stranger.example", Source.SRV),
        ("imap.example.org", Source.AUTOCONFIG),
        ("imap.elsewhere.example", Source.AUTOCONFIG),
        ("imap.gmail.com", Source.MX),
    ]
    outside = [warning for warning in found.warnings if "DNS alone" in warning]
    assert len(outside) == 1
    assert "imap.stranger.example" in outside[0]
    assert found.provider == ""
    assert any("Google Workspace" in warning for warning in found.warnings)


def test_an_endpoint_confirmed_by_autoconfig_needs_no_warning() -> None:
    srv = reply(Source.SRV, "_imaps._tcp.example.org", [SrvRecord(0, 1, 993, "imap.host.example")])
    page = reply(Source.AUTOCONFIG, URL, Page(URL, document(incoming("imap.host.example", user="%EMAILLOCALPART%"))))
    found = merge(ADDRESS, "example.org", [srv, page])
    assert found.warnings == ()
    assert [finding.source for finding in found.candidates[0].found] == [Source.SRV, Source.AUTOCONFIG]
    assert found.user == "s3cret.local"


def test_mx_names_the_provider() -> None:
    answer = [MxRecord(20, "x.example"), MxRecord(10, "aspmx.l.google.com")]
    found = merge(ADDRESS, "example.org", [reply(Source.MX, "example.org", answer)])
    assert found.provider == "google-workspace"
    assert found.candidates[0].found[0].evidence == "example.org MX 10 aspmx.l.google.com"
    assert "app password" in found.advice[0]
    assert found.user == str(ADDRESS)


def test_null_mx_and_services_not_offered() -> None:
    found = merge(ADDRESS, "example.org", [reply(Source.MX, "example.org", [MxRecord(0, "")])])
    assert "takes no mail" in found.warnings[0]
    declined = reply(Source.SRV, "_pop3s._tcp.example.org", [SrvRecord(0, 0, 0, "")], Answered.NOT_OFFERED)
    google = reply(Source.MX, "example.org", [MxRecord(10, "aspmx.l.google.com")])
    found = merge(ADDRESS, "example.org", [declined, google])
    assert found.best(Protocol.POP3) is None
    assert found.best(Protocol.IMAP) is not None


def test_plaintext_comes_last_is_marked_and_never_saved() -> None:
    text = document(incoming("a.example.org", "143", "plain") + incoming("b.example.org", "143", "STARTTLS"))
    found = merge(ADDRESS, "example.org", [reply(Source.AUTOCONFIG, URL, Page(URL, text))])
    assert [each.endpoint.host for each in found.candidates] == ["b.example.org", "a.example.org"]
    assert any("a.example.org:143 has no TLS" in warning for warning in found.warnings)
    only = merge(
        ADDRESS, "example.org", [reply(Source.AUTOCONFIG, URL, Page(URL, document(incoming(security="plain"))))]
    )
    assert only.server("x").endpoints == {}


def test_autoconfig_placeholders_and_methods() -> None:
    more = "<authentication>OAuth2</authentication><authentication>password-cleartext</authentication>"
    found, _ = autoconfig.parse(
        Page(URL, document(incoming(user="%EMAILLOCALPART%@%EMAILDOMAIN%", more=more))), ADDRESS
    )
    assert found[0].user == "s3cret.local@example.org"
    assert found[0].methods == (SignIn.OAUTH, SignIn.PASSWORD)
    for user, expected in (("%EMAILADDRESS%", str(ADDRESS)), ("%REALNAME%", ""), ("admin", ""), ("", "")):
        assert autoconfig.parse(Page(URL, document(incoming(user=user))), ADDRESS)[0][0].user == expected


@pytest.mark.parametrize(
    "server",
    [
        incoming(host="%EMAILDOMAIN%"), incoming(host="a b"), incoming(host=""), incoming(host="x\u202ey.example"),
        incoming(port="0"), incoming(port="70000"), incoming(port="99x"), incoming(port="٣"), incoming(port=""),
        incoming(security="ssl3"), incoming(security=""), incoming(host="a." * 200 + "example"),
        incoming(host="-x.example"),
    ],
)  # fmt: skip
def test_unusable_servers_are_left_out_with_a_warning(server: str) -> None:
    found, warnings = autoconfig.parse(Page(URL, document(server + incoming())), ADDRESS)
    assert len(found) == 1
    assert len(warnings) == 1


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><clientConfig>&c;</clientConfig>'
)


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        b'<!DOCTYPE c [<!ENTITY x SYSTEM "file:///etc/passwd">]><clientConfig>&x;</clientConfig>',
        b'<!DOCTYPE c SYSTEM "http://127.0.0.1:1/x.dtd"><clientConfig/>',
        b"", b"<html></html>", b"<clientConfig>", b"\x00" * 1000, b"not xml", b"\xff\xfe<\x00",
        b'<?xml version="1.0" encoding="no-such"?><clientConfig/>',
        b'<x:clientConfig xmlns:x="urn:x"/>',
    ],
)  # fmt: skip
def test_hostile_or_wrong_documents_are_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        autoconfig.parse(Page(URL, body), ADDRESS)
    found = merge(ADDRESS, "example.org", [reply(Source.AUTOCONFIG, URL, Page(URL, body))])
    assert found.candidates == ()
    assert len(found.warnings) == 1


def test_deep_and_long_documents_are_bounded() -> None:
    deep = b"<clientConfig>" + b"<a>" * 20_000 + b"</a>" * 20_000 + b"</clientConfig>"
    assert autoconfig.parse(Page(URL, deep), ADDRESS) == ((), ())
    many = document(incoming() * 1000)
    assert len(autoconfig.parse(Page(URL, many), ADDRESS)[0]) == autoconfig.MOST_SERVERS


@given(st.binary(max_size=400))
def test_any_bytes_are_an_autoconfig_or_a_protocol_error(body: bytes) -> None:
    try:
        found, _ = autoconfig.parse(Page(URL, body), ADDRESS)
    except ProtocolError:
        return
    assert found == ()


class Quiet:
    """Knows nothing, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def srv(self, name: str, deadline: Deadline) -> list[SrvRecord]:
        self.asked.append(name)
        return []

    def mx(self, domain: str, deadline: Deadline) -> list[MxRecord]:
        self.asked.append(domain)
        return []

    def __call__(self, url: str, deadline: Deadline) -> Page | None:
        self.asked.append(url)
        return None


@given(st.from_regex(r"[a-z0-9.+_-]{12,30}", fullmatch=True))
def test_no_question_ever_holds_the_local_part(local: str) -> None:
    quiet = Quiet()
    found = discover(Address(local, "example.org"), "example.org", quiet, quiet, Deadline(5))
    assert len(quiet.asked) == 9
    assert not [subject for subject in quiet.asked if local in subject or "%" in subject or "@" in subject]
    assert all(each.answered is Answered.NOTHING for each in found.asked)


def test_a_known_domain_is_asked_nothing() -> None:
    quiet = Quiet()
    found = discover(parse_address("x@gmail.com"), "gmail.com", quiet, quiet, Deadline(5))
    assert quiet.asked == []
    assert found.provider == "gmail"
    assert found.server("g").provider == "gmail"
    assert found.best(Protocol.IMAP) is not None
    assert Discovery("a@b", "b").server("x").provider is None


def test_hanging_and_failing_questions_cost_no_more_than_the_deadline() -> None:
    stop = Event()

    def hang(_: Deadline) -> Answer:
        stop.wait(30)
        return None

    def fail(_: Deadline) -> Answer:
        raise NetworkError("SERVFAIL", cause="dns_temporary")

    def none(_: Deadline) -> Answer:
        return [MxRecord(1, "mx.example.org")]

    asking = [Question(Source.SRV, "a", hang), Question(Source.SRV, "b", fail), Question(Source.MX, "c", none)]
    try:
        replies = ask_all(asking, Deadline(0.2))
    finally:
        stop.set()
    assert [each.asked.answered for each in replies] == [Answered.FAILED, Answered.FAILED, Answered.FOUND]
    assert [each.asked.cause for each in replies] == ["dns_temporary", "dns_temporary", ""]


@pytest.mark.parametrize(
    ("text", "name"),
    [("Mail.Example.", "mail.example"), ("localhost", "localhost"), ("a..b", ""), ("", ""), (".", ""), ("a" * 64, ""),
     ("é.example", ""), ("a\n", "a"), ("a\nb", ""), ("127.0.0.1", "127.0.0.1"), ("x_y.example", "x_y.example")],
)  # fmt: skip
def test_host_names(text: str, name: str) -> None:
    assert host_name(text) == name


def test_a_bug_in_a_thread_is_no_missing_answer() -> None:
    def broken(deadline: Deadline) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask_all([Question(Source.MX, "example.org", broken)], Deadline(5))
