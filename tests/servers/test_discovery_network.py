"""Discovery against a real DNS server and a real web server, on loopback."""

import socket
from pathlib import Path

import pytest

from mailctl.domain.address import parse_address
from mailctl.domain.deadline import Deadline
from mailctl.domain.discovery import Answered, Discovery, MxRecord, Source, SrvRecord
from mailctl.domain.server import CertificatePolicy, Endpoint, Protocol, Security
from mailctl.errors import ConfigError, NetworkError
from mailctl.protocols.dns import Dns
from mailctl.protocols.http import Http
from mailctl.protocols.resolve import Address
from mailctl.providers.discovery import discover
from tests.cli.support import Cli

from .support.certificates import Certificates
from .support.dns_server import DnsServer
from .support.fixtures import MakeDns, MakeWeb
from .support.web_server import Answer, WebServer

LOCAL = "s3cret.l0cal"
PATH = "/mail/config-v1.1.xml"
RECORDS = (
    "_imaps._tcp.mail.test SRV 10 1 993 backup.mail.test",
    "_imaps._tcp.mail.test SRV 0 1 993 light.mail.test",
    "_imaps._tcp.mail.test SRV 0 9 993 imap.mail.test",
    "_pop3s._tcp.mail.test SRV 0 0 0 .",
    "_submission._tcp.mail.test SRV 0 1 587 smtp.outside.test",
    "mail.test MX 10 mx.mail.test",
    "mail.test TXT v=spf1 -all",
    "mail.test A 127.0.0.1",
    "v6.mail.test AAAA ::1",
)
DOCUMENT = b"""<?xml version="1.0"?><clientConfig version="1.1"><emailProvider id="mail.test">
<incomingServer type="imap"><hostname>imap.mail.test</hostname><port>993</port><socketType>SSL</socketType>
<username>%EMAILLOCALPART%</username><authentication>password-cleartext</authentication></incomingServer>
<outgoingServer type="smtp"><hostname>smtp.mail.test</hostname><port>465</port><socketType>SSL</socketType>
<username>%EMAILADDRESS%</username></outgoingServer></emailProvider></clientConfig>"""


def resolver(server: DnsServer) -> Dns:
    return Dns(f"{server.host}:{server.port}")


def getter(web: WebServer, certificates: Certificates) -> Http:
    """Whatever the host, the web server answers; its certificate must name the host all the same."""
    policy = CertificatePolicy(ca_file=str(certificates.ca))
    return Http(policy, lambda *_: [Address(socket.AF_INET, web.host, (web.host, web.port))])


def found_for(domain: str, dns: DnsServer, web: WebServer, certificates: Certificates) -> Discovery:
    address = parse_address(f"{LOCAL}@{domain}")
    return discover(address, domain, resolver(dns), getter(web, certificates), Deadline(10))


def test_look_ups(make_dns: MakeDns) -> None:
    server = make_dns(*RECORDS)
    dns = resolver(server)
    assert dns.mx("mail.test", Deadline(5)) == [MxRecord(10, "mx.mail.test")]
    assert dns.srv("_pop3s._tcp.mail.test", Deadline(5)) == [SrvRecord(0, 0, 0, "")]
    assert SrvRecord(10, 1, 993, "backup.mail.test") in dns.srv("_imaps._tcp.mail.test", Deadline(5))
    assert dns.srv("_imaps._tcp.other.test", Deadline(5)) == []
    assert dns.mx("v6.mail.test", Deadline(5)) == []
    assert [each.ip for each in dns.addresses("v6.mail.test", 443, Deadline(5))] == ["::1"]
    with pytest.raises(NetworkError) as caught:
        dns.mx("nowhere.test", Deadline(5))
    assert caught.value.cause == "dns_not_found"
    with pytest.raises(NetworkError) as caught:
        dns.srv("a..b", Deadline(5))
    assert caught.value.cause == "dns_bad_name"


def test_a_name_server_that_is_not_there_is_a_temporary_failure(make_dns: MakeDns) -> None:
    server = make_dns()
    server.stop()
    with pytest.raises(NetworkError) as caught:
        resolver(server).mx("mail.test", Deadline(0.5))
    assert caught.value.cause == "dns_temporary"
    with pytest.raises(ConfigError):
        Dns("ns.example").mx("mail.test", Deadline(1))


def test_all_sources_together(make_dns: MakeDns, make_web: MakeWeb, certificates: Certificates) -> None:
    dns, web = make_dns(*RECORDS), make_web({PATH: Answer(DOCUMENT)}, "good")
    found = found_for("mail.test", dns, web, certificates)
    imap = [each for each in found.candidates if each.protocol is Protocol.IMAP]
    assert [each.endpoint.host for each in imap] == ["imap.mail.test", "light.mail.test", "backup.mail.test"]
    assert [finding.source for finding in imap[0].found] == [Source.SRV, Source.AUTOCONFIG]
    assert imap[0].user == found.user == LOCAL
    assert found.best(Protocol.POP3) is None
    smtp = [each.endpoint for each in found.candidates if each.protocol is Protocol.SMTP]
    assert smtp == [
        Endpoint("smtp.outside.test", 587, Security.STARTTLS),
        Endpoint("smtp.mail.test", 465, Security.TLS),
    ]
    assert [warning for warning in found.warnings if "smtp.outside.test" in warning]
    answered = {each.question: each.answered for each in found.asked}
    assert answered["_pop3s._tcp.mail.test"] is Answered.NOT_OFFERED
    assert answered["_imap._tcp.mail.test"] is Answered.NOTHING
    assert answered[f"https://autoconfig.mail.test{PATH}"] is Answered.FOUND
    assert answered["https://mail.test/.well-known/autoconfig/mail/config-v1.1.xml"] is Answered.NOTHING


def test_neither_dns_nor_web_learns_the_local_part(
    make_dns: MakeDns, make_web: MakeWeb, certificates: Certificates
) -> None:
    dns, web = make_dns(*RECORDS), make_web({PATH: Answer(DOCUMENT)}, "good")
    found_for("mail.test", dns, web, certificates)
    assert len(dns.queries()) == 7
    assert len(web.requests) == 2
    told = f"{dns.queries()} {web.requests}".lower()
    assert "mail.test" in told
    for secret in (LOCAL, LOCAL.replace(".", "%2e"), "s3cret", "emailaddress", "%40", "@"):
        assert secret not in told


def test_the_well_known_place_and_a_redirect(make_dns: MakeDns, make_web: MakeWeb, certificates: Certificates) -> None:
    dns = make_dns("mail.test MX 10 mx.mail.test")
    well_known = "/.well-known/autoconfig/mail/config-v1.1.xml"
    moved = Answer(status=301, headers={"Location": "https://autoconfig.mail.test/moved.xml"})
    web = make_web({well_known: moved, "/moved.xml": Answer(DOCUMENT)}, "good")
    found = found_for("mail.test", dns, web, certificates)
    assert found.candidates[0].found[0].evidence == "https://autoconfig.mail.test/moved.xml"


def test_a_wrong_certificate_is_not_believed(make_dns: MakeDns, make_web: MakeWeb, certificates: Certificates) -> None:
    dns, web = make_dns("mail.test MX 10 mx.mail.test"), make_web({PATH: Answer(DOCUMENT)}, "wrong_host")
    found = found_for("mail.test", dns, web, certificates)
    assert found.candidates == ()
    assert web.requests == []
    assert [each.answered for each in found.asked if each.source is Source.AUTOCONFIG] == [Answered.FAILED] * 2


@pytest.fixture
def at_home(make_dns: MakeDns, tmp_path: Path) -> Cli:
    """A home whose discovery asks a name server of the test's own."""
    server = make_dns(
        *RECORDS,
        "hosted.test MX 10 aspmx.l.google.com",
        "nullmx.test MX 0 .",
        "empty.test A 127.0.0.1",
        "xn--mller-kva.test MX 5 aspmx.l.google.com",
    )
    cli = Cli(tmp_path)
    cli.config.mkdir(parents=True, mode=0o700)
    (cli.config / "config.toml").write_text(f'nameserver = "{server.host}:{server.port}"\n')
    return cli


def test_command_discovers_and_saves(at_home: Cli) -> None:
    found = at_home.json("server", "discover", f"{LOCAL}@mail.test", "--save", "work", "--dry-run")["result"]
    assert found["candidates"][0]["endpoint"]["host"] == "imap.mail.test"
    assert found["candidates"][0]["found"][0]["source"] == "srv"
    assert not (at_home.config / "servers").exists()
    done = at_home.run("server", "discover", f"{LOCAL}@mail.test", "--save", "work")
    assert done.code == 0
    assert "smtp.outside.test" in done.err
    assert "Made the server work" in done.err
    assert done.rows[0][:2] == ["IMAP", "imap.mail.test:993"]
    saved = (at_home.config / "servers/work.toml").read_text()
    assert "imap.mail.test" in saved
    assert LOCAL not in saved
    again = at_home.run("server", "discover", f"{LOCAL}@mail.test", "--save", "work")
    assert again.code == 3


def test_command_names_the_provider_behind_a_domain(at_home: Cli) -> None:
    for domain in ("hosted.test", "müller.test"):
        found = at_home.json("server", "discover", f"x@{domain}", "--save", domain.encode("idna").decode())["result"]
        assert found["provider"] == "google-workspace"
        assert found["candidates"][0]["found"][0]["source"] == "mx"
    assert 'provider = "google-workspace"' in (at_home.config / "servers/hosted.test.toml").read_text()


def test_command_when_nothing_is_known(at_home: Cli) -> None:
    done = at_home.run("server", "discover", "x@empty.test")
    assert done.code == 3
    assert "Nothing is known" in done.err
    assert "_imaps._tcp.empty.test: nothing" in done.err
    assert "There is no domain gone.test" in at_home.run("server", "discover", "x@gone.test").err
    failed = at_home.json("server", "discover", "x@gone.test", "--save", "gone", code=3)
    assert failed["result"]["asked"]
    assert not (at_home.config / "servers/gone.toml").exists()


def test_command_when_dns_fails(at_home: Cli) -> None:
    (at_home.config / "config.toml").write_text('nameserver = "127.0.0.1:1"\n')
    failed = at_home.json("server", "discover", "x@mail.test", "--timeout", "0.5", code=5)
    assert failed["error"]["cause"] == "dns_temporary"
