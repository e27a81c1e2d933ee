"""Second looks: which a failure deserves, what they tell, and how that joins the verdict; pure, with looks made up."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.diagnosis.closer.answerer import names_in
from mailctl.diagnosis.closer.certificate import name_fits
from mailctl.diagnosis.closer.looks import Wanted, wanted
from mailctl.diagnosis.closer.told import site
from mailctl.diagnosis.knowledge import Knowledge, load_knowledge
from mailctl.diagnosis.ladder import run_check
from mailctl.domain.check import CheckJob, CheckReport
from mailctl.domain.deadline import Deadline
from mailctl.domain.gateway import Login
from mailctl.domain.look import MailHome, PortSeen
from mailctl.domain.provider import Provider
from mailctl.domain.secret import Secret
from mailctl.domain.server import Endpoint, Protocol, Security
from mailctl.errors import AuthError, MailctlError, NetworkError, ProtocolError, RefusedError, TlsError
from mailctl.providers import catalog

KNOWLEDGE = load_knowledge()
IMAP, POP3, SMTP = Protocol.IMAP, Protocol.POP3, Protocol.SMTP
TLS, STARTTLS = Security.TLS, Security.STARTTLS
STAGES = ("dns", "tcp", "tls", "greeting", "starttls", "capability", "authenticate")
REFUSED = PortSeen(143, cause="tcp_refused")


def know() -> Knowledge:
    return KNOWLEDGE


def job(host: str = "mail.example.org", port: int = 993, security: Security = TLS, **changes: object) -> CheckJob:
    values: dict[str, object] = {
        "gateway": "work",
        "server": "ours",
        "address": "alice@example.org",
        "protocol": IMAP,
        "endpoint": Endpoint(host, port, security),
        "login": Login("alice@example.org"),
        "timeout": 5.0,
    }
    return CheckJob(**(values | changes))  # type: ignore[arg-type]  # fields of the class


class Made:
    """Looks that show what they were given, and remember what was asked of them."""

    def __init__(
        self, *ports: PortSeen, home: MailHome | None = None, similar: str = "", owner: Provider | None = None
    ) -> None:
        self._ports, self._home, self._similar, self._owner = ports, home, similar, owner
        self.asked: list[str] = []

    def ports(
        self, host: str, ports: Sequence[tuple[int, bool]], deadline: Deadline, family: str = ""
    ) -> tuple[PortSeen, ...]:
        self.asked.append(f"ports {host} {list(ports)} {family}".rstrip())
        return self._ports

    def mail_home(self, domain: str, deadline: Deadline) -> MailHome:
        self.asked.append(f"home {domain}")
        return self._home or MailHome(domain)

    def owner(self, host: str) -> Provider | None:
        return self._owner or catalog.by_host(host)

    def similar_host(self, host: str) -> str:
        return self._similar


class Failing:
    """A session that fails at one stage."""

    protocol: Protocol = IMAP
    stages: tuple[str, ...] = STAGES

    def __init__(self, stage: str, error: MailctlError, learned: Mapping[str, Mapping[str, object]]) -> None:
        self._stage, self._error, self._learned = stage, error, learned

    def climb(self, stage: str) -> Mapping[str, object]:
        if stage == self._stage:
            raise self._error
        return self._learned.get(stage, {})

    def late(self) -> Mapping[str, Mapping[str, object]]:
        return {}

    def close(self) -> None:
        return


def failed(
    stage: str,
    error: MailctlError,
    looks: Made,
    of: CheckJob | None = None,
    learned: Mapping[str, Mapping[str, object]] | None = None,
) -> CheckReport:
    session = Failing(stage, error, learned or {})
    report = run_check(of or job(), lambda *_: (session, tuple), lambda _: Secret("pw-pw-pw-4711"), know, looks=looks)
    assert not report.ok
    return report


def refused() -> NetworkError:
    return NetworkError("mail.example.org:993 refuses connections", cause="tcp_refused")


# -- which look


@pytest.mark.parametrize(
    ("stage", "cause", "of", "ports"),
    [
        ("tcp", "tcp_refused", job(), ((143, False),)),
        ("tcp", "tcp_timeout", job(port=143, security=STARTTLS), ((993, True),)),
        ("tcp", "tcp_refused", job(port=10993), ((993, True), (143, False))),
        ("tls", "tls_on_plain_port", job(port=143), ((993, True), (143, False))),
        ("greeting", "plain_on_tls_port", job(port=993, security=STARTTLS), ((143, False), (993, True))),
        ("starttls", "starttls_unavailable", job(port=143, security=STARTTLS), ((993, True),)),
        ("tcp", "tcp_timeout", job(port=25, security=STARTTLS, protocol=SMTP), ((465, True), (587, False))),
        ("authenticate", "auth_not_offered", job(port=25, protocol=SMTP), ((465, True), (587, False))),
        ("authenticate", "auth_not_offered", job(), ()),
        ("select", "tcp_timeout", job(), ()),
        ("tls", "tls_expired", job(), ()),
    ],
)
def test_ports_are_looked_at_where_they_may_settle_it(
    stage: str, cause: str, of: CheckJob, ports: tuple[tuple[int, bool], ...]
) -> None:
    want = wanted(of, stage, cause)
    assert want.ports == ports
    assert (want.home, want.host) == (False, False)


@pytest.mark.parametrize("cause", ["encryption_required", "oauth_required", "too_many_connections"])
def test_what_is_clear_is_not_looked_at(cause: str) -> None:
    assert wanted(job(), "authenticate", cause) == Wanted()


def test_only_the_domain_is_asked_about() -> None:
    looks = Made()
    failed("authenticate", AuthError("no", server_text="NO [AUTHENTICATIONFAILED] bad"), looks)
    assert looks.asked == ["home example.org"]


def test_no_look_once_the_time_is_up() -> None:
    looks, times = Made(REFUSED), iter([0.0] * 5 + [100.0] * 50)
    session = Failing("tcp", refused(), {})
    report = run_check(
        job(), lambda *_: (session, tuple), lambda _: Secret("x"), know, clock=lambda: next(times), looks=looks
    )
    assert not report.ok
    assert looks.asked == []


# -- ports


def test_the_port_that_answers_is_named_with_the_command() -> None:
    report = failed("tcp", refused(), Made(PortSeen(143, speaks="imap", text="* OK hi")))
    assert report.cause == "tcp_refused"
    assert "Port 143 answers with IMAP." in report.explanation
    assert "Port 143 answers with IMAP." in report.evidence
    assert "`mailctl server edit ours --imap mail.example.org:143 --imap-security starttls`" in report.remedy[0]


def test_tls_is_preferred_among_ports_that_answer() -> None:
    both = PortSeen(143, speaks="imap"), PortSeen(993, tls=True, speaks="imap")
    report = failed("tcp", refused(), Made(*both), job(port=10993))
    assert "mail.example.org:993 --imap-security tls" in report.remedy[0]
    assert "Port 993 answers with IMAP over TLS." in report.explanation


def test_a_port_with_another_service_is_told_and_not_advised() -> None:
    report = failed("tcp", refused(), Made(PortSeen(143, speaks="smtp")))
    assert "Port 143 answers with SMTP." in report.explanation
    assert "--imap mail.example.org:143" not in report.remedy[0]


@pytest.mark.parametrize(
    ("host", "cause", "other", "said"),
    [
        ("mail.example.org", "tcp_refused", "tcp_refused", "it runs no IMAP"),
        ("mail.example.org", "tcp_timeout", "tcp_timeout", "a firewall"),
        ("mail.example.org", "tcp_timeout", "tcp_refused", "No usual port of IMAP"),
        ("localhost", "tcp_refused", "tcp_refused", "the service is not running"),
        ("127.0.0.1", "tcp_refused", "tcp_refused", "on this machine"),
    ],
)
def test_when_nothing_answers_it_is_said_what_that_means(host: str, cause: str, other: str, said: str) -> None:
    error = NetworkError("x", cause=cause)
    report = failed("tcp", error, Made(PortSeen(143, cause=other)), job(host))
    assert report.cause == cause
    assert said in report.explanation


def test_port_25_alone_is_blocked() -> None:
    looks = Made(PortSeen(465, tls=True, speaks="smtp"), PortSeen(587, speaks="smtp"))
    of = job(port=25, security=STARTTLS, protocol=SMTP)
    report = failed("tcp", NetworkError("x does not answer", cause="tcp_timeout"), looks, of)
    assert "port 25 alone" in report.explanation
    assert "--smtp mail.example.org:465 --smtp-security tls" in report.remedy[0]


def test_a_mix_up_with_another_service_is_no_mix_up() -> None:
    error = TlsError("x", cause="tls_on_plain_port")
    assert failed("tls", error, Made(PortSeen(143, speaks="imap")), job(port=143)).cause == "tls_on_plain_port"
    assert failed("tls", error, Made(PortSeen(143, speaks="smtp")), job(port=143)).cause == "wrong_protocol"


def test_where_starttls_is_missing_the_port_with_tls_is_offered() -> None:
    error = TlsError("no STARTTLS", cause="starttls_unavailable", code="starttls_not_offered")
    report = failed("starttls", error, Made(PortSeen(993, tls=True, speaks="imap")), job(port=143, security=STARTTLS))
    assert "`mailctl server edit ours --imap mail.example.org:993 --imap-security tls`" in report.remedy[0]


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (job("smtp.gmail.com"), "serves IMAP at imap.gmail.com, port 993."),
        (job("imap.gmail.com", 143, STARTTLS), "serves IMAP at imap.gmail.com, port 993."),
        (job("imap.gmail.com", 25, STARTTLS, protocol=SMTP), "serves SMTP at smtp.gmail.com, port 465."),
    ],
)
def test_what_is_known_of_a_provider_corrects_host_and_port(of: CheckJob, said: str) -> None:
    report = failed("tcp", NetworkError("x", cause="tcp_timeout"), Made(), of)
    assert said in report.explanation
    assert "gmail.com:" in report.remedy[0]
    right = failed("tcp", NetworkError("x", cause="tcp_timeout"), Made(), job("imap.gmail.com"))
    assert "serves" not in right.explanation


# -- addresses


@pytest.mark.parametrize(
    ("host", "addresses", "cause", "said"),
    [
        ("imap.gmail.com", ["192.168.1.1"], "connection_redirected", "an address inside a private network"),
        ("imap.gmail.com", ["142.250.1.1", "2a00:1450::1"], "tcp_refused", "accepts connections"),
        ("mail.example.org", ["192.168.1.1"], "tcp_refused", "accepts connections"),
        ("mail.example.org", ["0.0.0.0"], "connection_redirected", "blocks mail.example.org"),
        ("mail.example.org", ["::"], "connection_redirected", "leads nowhere"),
        ("mail.example.org", ["nonsense", "7"], "tcp_refused", "accepts connections"),
    ],
)
def test_addresses_that_no_server_has(host: str, addresses: list[str], cause: str, said: str) -> None:
    report = failed("tcp", refused(), Made(), job(host), {"dns": {"addresses": addresses}})
    assert report.cause == cause
    assert said in report.explanation


def test_plain_text_where_a_provider_always_speaks_tls() -> None:
    report = failed("tls", TlsError("x", cause="tls_on_plain_port"), Made(), job("imap.gmail.com"))
    assert report.cause == "connection_redirected"
    mine = failed("tls", TlsError("x", cause="tls_on_plain_port"), Made(), job())
    assert mine.cause == "tls_on_plain_port"


# -- the other address family


def cut(looks: Made, *addresses: str, cause: str = "eof_no_greeting") -> CheckReport:
    learned: dict[str, Mapping[str, object]] = {"dns": {"addresses": list(addresses)}, "tcp": {"address": addresses[0]}}
    return failed("greeting", NetworkError("it hung up", cause=cause), looks, learned=learned)


def test_a_server_that_hangs_up_on_one_family_alone() -> None:
    looks = Made(PortSeen(993, tls=True, speaks="imap"))
    report = cut(looks, "2001:db8::1", "192.0.2.1")
    assert "ports mail.example.org [(993, True)] IPv4" in looks.asked
    assert report.cause == "eof_no_greeting"
    assert "Over IPv4 the same port answers as it should" in report.explanation
    assert "IPv6" in report.remedy[0]


def test_one_family_alone_has_no_other() -> None:
    looks = Made(PortSeen(993, tls=True, speaks="imap"))
    assert "Over IPv" not in cut(looks, "192.0.2.1", "192.0.2.2").explanation
    assert not any(asked.endswith(("IPv4", "IPv6")) for asked in looks.asked)


def test_the_other_family_may_fail_too() -> None:
    assert "Over IPv" not in cut(Made(PortSeen(993, cause="tcp_timeout")), "192.0.2.1", "2001:db8::1").explanation


# -- where the mail arrives


def denied() -> AuthError:
    return AuthError("refused", server_text="NO [AUTHENTICATIONFAILED] Authentication failed.")


def test_the_domain_may_be_served_elsewhere() -> None:
    google = catalog.load("google-workspace")
    home = MailHome("example.org", True, ("smtp.google.com",), google)
    report = failed("authenticate", denied(), Made(home=home))
    assert report.cause == "bad_credentials"
    assert "Mail for example.org arrives at Google Workspace (MX smtp.google.com)" in report.explanation
    assert "`mailctl server add google-workspace`" in report.remedy[0]
    assert "`mailctl gateway edit work --server google-workspace`" in report.remedy[0]


@pytest.mark.parametrize(
    ("host", "home"),
    [
        ("imap.gmail.com", MailHome("example.org", True, ("smtp.google.com",), catalog.load("google-workspace"))),
        ("mail.example.org", MailHome("example.org", True, ("mx.example.org",))),
        ("mail.example.org", MailHome("example.org")),
        ("imap.gmx.net", MailHome("gmx.net", True, (), catalog.load("gmx"))),
    ],
)
def test_where_the_right_house_was_asked_nothing_is_said(host: str, home: MailHome) -> None:
    report = failed("authenticate", denied(), Made(home=home), job(host))
    assert "arrives" not in report.explanation


def test_mail_that_arrives_elsewhere_than_at_the_provider_asked() -> None:
    home = MailHome("example.org", True, ("mx.example.org",))
    report = failed("authenticate", denied(), Made(home=home), job("imap.gmail.com"))
    assert "Mail for example.org arrives at mx.example.org, which is not known as one of" in report.explanation


def test_a_domain_that_is_none() -> None:
    of = job(address="alice@gmial.com")
    report = failed("authenticate", denied(), Made(home=MailHome("gmial.com", False, similar="gmail.com")), of)
    assert "There is no domain gmial.com, but there is gmail.com." in report.explanation
    assert "`mailctl gateway edit work --email alice@gmail.com`" in report.remedy[0]


def test_a_domain_that_takes_no_mail() -> None:
    report = failed("authenticate", denied(), Made(home=MailHome("example.org", True, ("",))))
    assert "takes no mail at all" in report.explanation


# -- the host's name


def unknown_host() -> NetworkError:
    return NetworkError("There is no host named x", cause="dns_not_found")


def test_a_misspelt_host() -> None:
    report = failed("dns", unknown_host(), Made(similar="imap.gmail.com"), job("imap.gmial.com"))
    assert report.cause == "dns_not_found"
    assert "`mailctl server edit ours --imap imap.gmail.com:993`" in report.remedy[0]


@pytest.mark.parametrize("typed", ["imaps://mail.example.org/", "mail.example.org/inbox", " mail.example.org:993 "])
def test_a_host_with_more_than_a_host_in_it(typed: str) -> None:
    error = NetworkError("no host name", cause="dns_bad_name")
    report = failed("dns", error, Made(), job(typed))
    assert "`mailctl server edit ours --imap mail.example.org:993`" in " ".join(report.remedy)


def test_an_unknown_host_whose_domain_is_at_a_provider() -> None:
    home = MailHome("example.org", True, ("x.mail.protection.outlook.com",), catalog.load("office365"))
    report = failed("dns", unknown_host(), Made(home=home))
    assert "`mailctl server add office365`" in " ".join(report.remedy)
    report = failed("dns", unknown_host(), Made(home=MailHome("example.org", True, ("mx.example.org",))))
    assert "`mailctl server discover alice@example.org`" in " ".join(report.remedy)
    assert " ".join(report.remedy).count("server discover") == 1


# -- certificates


def untrusted(cause: str = "tls_unknown_issuer", **detail: object) -> TlsError:
    facts: dict[str, object] = {"subject": "CN=mail.example.org", "names": ["mail.example.org"], "issuer": "CN=X"}
    return TlsError("not accepted", cause=cause, detail={**facts, **detail})


@pytest.mark.parametrize(
    ("host", "error", "cause", "said"),
    [
        ("mail.example.org", untrusted(issuer="O=Avast,CN=Avast Web/Mail Shield Root"), "tls_intercepted", "antivirus"),
        ("mail.example.org", untrusted(issuer="O=Zscaler Inc.,CN=Zscaler Root CA"), "tls_intercepted", "Zscaler"),
        (
            "mail.example.org",
            untrusted(sent=1, issuer_url=True, issuer="CN=Some CA"),
            "tls_unknown_issuer",
            "without the intermediate",
        ),
        (
            "mail.example.org",
            untrusted(sent=1, issuer_url=False, issuer="C=US,O=Let's Encrypt,CN=R10"),
            "tls_unknown_issuer",
            "without the intermediate",
        ),
        (
            "mail.example.org",
            untrusted(sent=1, issuer_url=False, issuer="CN=Office CA"),
            "tls_unknown_issuer",
            "private authority",
        ),
        (
            "mail.example.org",
            untrusted(
                sent=2,
                issuer_url=True,
                issuer="O=Let's Encrypt,CN=R10",
                chain=[{"subject": "O=Let's Encrypt,CN=R10", "issuer": "O=Internet Security Research Group,CN=X1"}],
            ),
            "tls_unknown_issuer",
            "store of trusted certificates",
        ),
        (
            "imap.gmail.com",
            untrusted(names=["imap.gmail.com"], sent=2, issuer="CN=Corp CA"),
            "tls_intercepted",
            "made by somebody on the way",
        ),
        (
            "imap.gmail.com",
            untrusted("tls_hostname_mismatch", names=["login.hotel.example"], subject="CN=login.hotel.example"),
            "connection_redirected",
            "login.hotel.example",
        ),
        (
            "mail.example.org",
            untrusted(sent=1, issuer_url=False, days_left=-3, not_after="2020-01-01T00:00:00+00:00"),
            "tls_unknown_issuer",
            "It has expired as well, on 2020-01-01.",
        ),
        (
            "imap.gmail.com",
            untrusted("tls_self_signed", names=[], subject="CN=Guest portal", issuer="CN=Guest portal"),
            "connection_redirected",
            'names itself "CN=Guest portal"',
        ),
        (
            "mail.example.org",
            untrusted("tls_hostname_mismatch", names=["*.hoster.example", "server12.hoster.example"]),
            "tls_hostname_mismatch",
            'The certificate is for "*.hoster.example", "server12.hoster.example".',
        ),
        (
            "mail.example.org",
            untrusted("tls_expired", not_after="2020-01-01T00:00:00+00:00", clock="2026-11-22T01:02:03+00:00"),
            "tls_expired",
            "the clock of this machine says 2026-11-22 01:02 UTC",
        ),
        (
            "mail.example.org",
            untrusted("tls_clock", not_before="2027-01-01T00:00:00+00:00", clock="1970-01-01T01:02:03+00:00"),
            "tls_clock",
            "the clock of this machine says 1970-01-01",
        ),
        (
            "mail.example.org",
            untrusted("tls_self_signed", issuer="CN=mail.example.org", sent=1),
            "tls_self_signed",
            "signed itself",
        ),
    ],
)
def test_faults_of_certificates_are_told_apart(host: str, error: TlsError, cause: str, said: str) -> None:
    report = failed("tls", error, Made(), job(host))
    assert report.cause == cause
    assert said in report.explanation, report.explanation


def test_a_name_that_the_certificate_holds_is_offered_but_never_in_a_providers_place() -> None:
    wrong = untrusted("tls_hostname_mismatch", names=["*.hoster.example", "server12.hoster.example"])
    mine = failed("tls", wrong, Made())
    assert "`mailctl server edit ours --imap server12.hoster.example:993`" in mine.remedy[0]
    theirs = failed("tls", wrong, Made(), job("imap.gmail.com"))
    assert "server12" not in " ".join(theirs.remedy)


@pytest.mark.parametrize(
    ("host", "name", "fits"),
    [
        ("mail.example.org", "MAIL.example.org", True),
        ("mail.example.org.", "*.example.org", True),
        ("example.org", "*.example.org", False),
        ("a.mail.example.org", "*.example.org", False),
        ("mail.example.org", "*", False),
        ("mail.bücher.example", "mail.xn--bcher-kva.example", True),
        ("org", "*.", False),
    ],
)
def test_names_of_certificates(host: str, name: str, fits: bool) -> None:
    assert name_fits(host, name) is fits


# -- who answers


def test_a_hotel_answers_for_a_provider() -> None:
    error = TlsError("no STARTTLS", cause="starttls_unavailable", code="starttls_not_offered", server_text="AUTH LOGIN")
    learned = {"greeting": {"greeting": "mx.hotel.example ESMTP Postfix"}}
    of = job("smtp.gmail.com", 587, STARTTLS, protocol=SMTP)
    report = failed("starttls", error, Made(), of, learned)
    assert report.cause == "connection_redirected"
    assert 'What answered calls itself "mx.hotel.example".' in report.explanation


def test_a_stripped_offer_at_a_provider_that_always_makes_it() -> None:
    error = TlsError("no STARTTLS", cause="starttls_unavailable", code="starttls_not_offered")
    learned = {"greeting": {"greeting": "smtp.gmail.com ESMTP x"}}
    report = failed("starttls", error, Made(), job("smtp.gmail.com", 587, STARTTLS, protocol=SMTP), learned)
    assert report.cause == "starttls_unavailable"
    assert "always offers STARTTLS on port 587" in report.explanation


def test_a_hosters_own_name_is_no_redirection() -> None:
    error = TlsError("no STARTTLS", cause="starttls_unavailable", code="starttls_not_offered")
    learned = {"greeting": {"greeting": "server12.hoster.example ESMTP"}}
    report = failed("starttls", error, Made(), job(port=587, security=STARTTLS, protocol=SMTP), learned)
    assert report.cause == "starttls_unavailable"
    assert 'calls itself "server12.hoster.example"' in report.explanation


def test_a_web_server_in_a_providers_place() -> None:
    error = ProtocolError(
        "x", cause="wrong_protocol", server_text="HTTP/1.1 302 Found\nLocation: http://hotel.example/"
    )
    report = failed("greeting", error, Made(), job("imap.gmail.com"))
    assert report.cause == "connection_redirected"
    assert "hotel.example" in report.explanation
    report = failed("greeting", ProtocolError("x", cause="wrong_protocol", server_text="HTTP/1.1 400 Bad"), Made())
    assert (report.cause, "web server" in report.explanation) == ("wrong_protocol", True)


def test_after_a_proven_certificate_a_greeting_is_only_a_greeting() -> None:
    learned = {"greeting": {"greeting": "mx.hotel.example ESMTP"}}
    report = failed("authenticate", denied(), Made(), job("imap.gmail.com"), learned)
    assert "hotel" not in report.explanation


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("mx.hotel.example ESMTP Postfix", ["mx.hotel.example"]),
        ("220 mx.hotel.example ESMTP", ["mx.hotel.example"]),
        ("[CAPABILITY IMAP4rev1] Dovecot (Debian) ready.", []),
        ("Gimap ready for requests from 192.0.2.1 x25mb12", []),
        ("+OK POP3 pop.hotel.example 2.3.4 <1.2@pop.hotel.example>", ["pop.hotel.example"]),
        ("HTTP/1.1 302 Found", []),
        ("", []),
    ],
)
def test_names_in_greetings(text: str, names: list[str]) -> None:
    assert list(names_in(text)) == names


@pytest.mark.parametrize(
    ("host", "whose"),
    [
        ("imap.mail.example.org", "example.org"),
        ("MAIL.example.co.uk.", "example.co.uk"),
        ("example.com", "example.com"),
        ("localhost", "localhost"),
        ("", ""),
    ],
)
def test_sites(host: str, whose: str) -> None:
    assert site(host) == whose


@given(st.text(max_size=300), st.text(max_size=80), st.lists(st.text(max_size=40), max_size=4))
def test_whatever_a_server_says_there_is_a_verdict(text: str, issuer: str, names: list[str]) -> None:
    detail = {"issuer": issuer, "names": names, "chain": [{"subject": issuer}, 7], "sent": "x"}
    error = TlsError("x", cause="tls_unknown_issuer", server_text=text, detail=detail)
    report = failed(
        "tls", error, Made(PortSeen(143, speaks="ssh", text=text)), learned={"greeting": {"greeting": text}}
    )
    assert report.cause
    assert RefusedError.exit_code is not report.exit_code


def test_words_of_a_certificate_are_quoted_and_cut() -> None:
    issuer = 'CN=x". All is well.\r\nwork  IMAP  works' + "y" * 5000
    report = failed("tls", untrusted(issuer=issuer, sent=1, names=["*." + "z" * 3000] * 90), Made())
    assert "issued by \"CN=x'. All is well. work IMAP works" in report.explanation
    assert "and 85 more" in report.explanation
    assert len(report.explanation) < 2000


@pytest.mark.parametrize(("seconds", "short"), [(0.1, True), (2.9, True), (3.0, False), (30.0, False)])
def test_a_timeout_within_a_moment_is_not_blamed_on_the_server_alone(seconds: float, short: bool) -> None:
    error = NetworkError("nothing came", cause="tcp_timeout")
    report = failed("greeting", error, Made(), job(timeout=seconds))
    assert ("too little to tell" in report.explanation) is short
    assert ("--timeout 30" in report.remedy[0]) is short


@pytest.mark.parametrize(
    ("stage", "hangs_at"), [("greeting", ""), ("capability", "what it can do"), ("authenticate", "the sign-in")]
)
def test_a_server_that_has_answered_already_is_on_the_right_port(stage: str, hangs_at: str) -> None:
    report = failed(stage, NetworkError("nothing came", code="timeout", cause="tcp_timeout"), Made())
    assert (report.cause, report.fixer, report.retry) == ("tcp_timeout", "admin", "later")
    said = " ".join((report.explanation, *report.remedy))
    assert ("Compare port" in said) is not bool(hangs_at)
    assert ("host and port are right" in said) is bool(hangs_at)
    assert hangs_at in report.explanation
    assert hangs_at in report.remedy[-1]
