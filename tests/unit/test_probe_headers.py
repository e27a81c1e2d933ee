"""What a header tells of a message's way: whatever stands in it, within bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.diagnosis.probes.headers import (
    authentication,
    header_fields,
    hops,
    is_probe,
    parse_authentication_results,
    result_of,
)
from mailctl.domain.probe import Authentication, Hop, MethodResult

ID = "<mailctl-probe-1@mail.test>"


def results(value: str) -> dict[str, str]:
    found = parse_authentication_results(value)
    return {method: result_of(found, method) for method in ("spf", "dkim", "dmarc")}


@pytest.mark.parametrize(
    ("value", "server", "expected"),
    [
        # as RFC 8601 appendix B has them
        ("example.org 1; none", "example.org", ("", "", "")),
        ("example.com; spf=pass smtp.mailfrom=example.net", "example.com", ("pass", "", "")),
        (
            "example.com; auth=pass (cram-md5) smtp.auth=sender@example.net; spf=fail smtp.mailfrom=example.net",
            "example.com",
            ("fail", "", ""),
        ),
        (
            "foo.example.net (foobar) 1 (baz); dkim (Because I like it) / 1 (One yay) = (wait for it) fail "
            "policy (A dot can go here) . (like that) expired (this surprised me) = (as I wasn't) 1362471462",
            "foo.example.net",
            ("", "fail", ""),
        ),
        # as Google, Microsoft, Fastmail write them
        (
            "mx.google.com; dkim=pass header.i=@example.org header.s=s1 header.b=aBc; spf=pass (google.com: domain of "
            "a@example.org designates 192.0.2.1 as permitted sender) smtp.mailfrom=a@example.org; "
            "dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=example.org",
            "mx.google.com",
            ("pass", "pass", "pass"),
        ),
        (
            "spf=softfail (sender IP is 192.0.2.1) smtp.mailfrom=example.org; dkim=none (message not signed) "
            "header.d=none;dmarc=bestguesspass action=none header.from=example.org;compauth=pass reason=109",
            "",
            ("softfail", "none", "bestguesspass"),
        ),
        (
            "mx4.example.com; dkim=fail (bad; signature) header.d=a.test; dkim=pass header.d=b.test; dmarc=none",
            "mx4.example.com",
            ("", "pass", "none"),
        ),
        ('"mail.test"; spf = permerror; dmarc=fail reason="a ; b=c \\" d"', "mail.test", ("permerror", "", "fail")),
        ("", "", ("", "", "")),
        ("; ; =; spf=; =pass; spf pass", "", ("", "", "")),
        ("(" * 9000 + "mx; spf=pass", "", ("", "", "")),
    ],
)
def test_what_servers_write(value: str, server: str, expected: tuple[str, str, str]) -> None:
    assert parse_authentication_results(value).server == server
    assert tuple(results(value).values()) == expected


def test_properties_are_read() -> None:
    found = parse_authentication_results('mx; dmarc=fail reason="no; way" header.from="exa\\"mple" policy.dmarc=none')
    assert found.results == (
        MethodResult("dmarc", "fail", {"reason": "no; way", "header.from": 'exa"mple', "policy.dmarc": "none"}),
    )


@given(st.text(max_size=500) | st.text('();="\\ spfdkim./1\t\r\n', max_size=300))
def test_anything_at_all_is_read_within_bounds(value: str) -> None:
    found = parse_authentication_results(value)
    assert len(found.server) <= 255
    assert len(found.results) <= 50
    for each in found.results:
        assert each.method.isascii()
        assert each.result.isalnum()
        assert all(len(text) <= 255 for text in each.properties.values())


_word = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12)
_comment = st.text('abc ;=."', max_size=12).filter(lambda text: True).map(lambda text: f"({text})") | st.just("")


@given(
    server=_word,
    methods=st.lists(st.tuples(_word, _word, st.dictionaries(st.tuples(_word, _word), _word, max_size=3)), max_size=5),
    comment=_comment,
)
def test_what_is_written_by_the_rules_comes_back(
    server: str, methods: list[tuple[str, str, dict[tuple[str, str], str]]], comment: str
) -> None:
    parts = [
        f"{method}={result} {comment}"
        + "".join(f" {kind}.{name}={value}" for (kind, name), value in properties.items())
        for method, result, properties in methods
    ]
    value = "; ".join([f"{server} {comment}", *parts])
    expected = tuple(
        MethodResult(method, result, {f"{kind}.{name}": text for (kind, name), text in properties.items()})
        for method, result, properties in methods
    )
    assert parse_authentication_results(value) == Authentication(server, expected)


@given(st.binary(max_size=2000))
def test_any_header_is_read(header: bytes) -> None:
    fields = header_fields(header)
    assert all(name == name.lower() for name, _ in fields)
    authentication(fields)
    hops(fields)
    is_probe(header, ID)


@pytest.mark.parametrize(
    ("header", "ours"),
    [
        (f"Message-ID: {ID}\r\n", True),
        (f"message-id:{ID}\n", True),
        (f"Message-ID:\r\n {ID}\r\n", True),
        (f"Message-ID: {ID}x\r\n", False),
        (f"Message-ID: x{ID}\r\n", False),
        (f"X: \u2028Message-ID: {ID}\r\n", False),
        (f"X: \x0bMessage-ID: {ID}\r\n", False),
        (f"Message-ID: {ID}\r\nMessage-ID: <other@mail.test>\r\n", False),
        (f"Subject: Message-ID: {ID}\r\n", False),
        (f"Message-ID: <new@ses.test>\r\nX-Mailctl-Probe: {ID}\r\n", True),
        (f"X-Mailctl-Probe: {ID}\r\nX-Mailctl-Probe: <other@mail.test>\r\n", False),
        ("", False),
    ],
)
def test_only_a_message_with_exactly_this_id_is_ours(header: str, ours: bool) -> None:
    assert is_probe(header.encode(), ID) is ours


def test_the_topmost_field_counts() -> None:
    header = b"Authentication-Results: mx.test; spf=fail\r\nReceived: x\r\nAuthentication-Results: evil; spf=pass\r\n"
    assert result_of(authentication(header_fields(header)), "spf") == "fail"


def test_Received_SPF_is_read_where_nothing_else_is() -> None:
    fields = header_fields(b"Received-SPF: Pass (mx: domain of a@b) client-ip=192.0.2.1\r\n")
    assert result_of(authentication(fields), "spf") == "pass"
    assert authentication([]) is None


def test_hops_are_told_in_the_order_of_travel() -> None:
    header = (
        b"Received: from b by c.test (x by y) with LMTP id 1;\r\n Sun, 22 Nov 2026 01:10:09 +0100\r\n"
        b"Received: from a by b.test; Sun, 22 Nov 2026 00:10:04 +0000 (UTC)\r\n"
        b"Received: by a.test; what a day\r\n"
    )
    assert hops(header_fields(header)) == (Hop("a.test"), Hop("b.test"), Hop("c.test", 5.0))
