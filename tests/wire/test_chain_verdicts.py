"""Certificates that nobody here vouches for, told apart by what the server sent: each with a way out of its own."""

from pathlib import Path

import pytest

from mailctl.domain.check import CheckReport
from mailctl.domain.server import Protocol, Security
from tests.wire.support.chains import Chain, make_chain
from tests.wire.support.contexts import server_context
from tests.wire.support.scripted import Peer, ScriptedServer, says
from tests.wire.test_verdict_rows import caught, check

__all__ = ["caught"]  # a fixture of the neighbour's
PUBLIC, PRIVATE = "Let's Encrypt", "Example Office"


def verdict(chain: Chain, sent: str, *, host: str = "localhost", security: Security = Security.TLS) -> CheckReport:
    context = server_context(getattr(chain, sent))

    def starttls(peer: Peer) -> None:
        peer.line("220 mail.test ESMTP")
        peer.expect("EHLO")
        peer.line("250-mail.test", "250 STARTTLS")
        peer.expect("STARTTLS")
        peer.line("220 go")
        peer.start_tls(context)
        peer.wait_for_end()

    implicit = security is Security.TLS
    with ScriptedServer(says("220 mail.test") if implicit else starttls, context if implicit else None) as server:
        report = check(server, Protocol.SMTP, security, host=host)
        assert server.inside == b""
    return report


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_an_incomplete_chain_is_the_servers_fault(tmp_path: Path, security: Security) -> None:
    report = verdict(make_chain(tmp_path, PRIVATE), "alone", security=security)
    assert report.cause == "tls_unknown_issuer"
    assert "without the intermediate" in report.explanation
    assert "sent it alone" in report.explanation
    assert "fullchain" in " ".join(report.remedy)
    assert report.fixer == "provider"


def test_a_whole_public_chain_is_this_machines_lack(tmp_path: Path) -> None:
    report = verdict(make_chain(tmp_path, PUBLIC), "with_intermediate")
    assert report.cause == "tls_unknown_issuer"
    assert "store of trusted certificates is missing or out of date" in report.explanation
    assert "ca-certificates" in report.remedy[0]
    assert report.fixer == "user"


def test_a_private_authority_without_its_intermediate(tmp_path: Path) -> None:
    report = verdict(make_chain(tmp_path, PRIVATE, url=False), "alone")
    assert report.cause == "tls_unknown_issuer"
    assert "private authority" in report.explanation
    assert "--ca-file" in report.remedy[0]
    assert PRIVATE in report.explanation


def test_a_private_root_that_is_sent_along(tmp_path: Path) -> None:
    report = verdict(make_chain(tmp_path, PRIVATE), "with_root")
    assert report.cause == "tls_intercepted"
    failed = next(stage for stage in report.stages if stage.status == "failed")
    assert failed.detail["sent"] == 3
    assert isinstance(failed.detail["chain"], list)
    assert PRIVATE in str(failed.detail["chain"][1])


@pytest.mark.parametrize(
    ("organization", "said"),
    [("Avast Web/Mail Shield", "antivirus program on this machine"), ("Fortinet", "device of this network")],
)
@pytest.mark.parametrize("sent", ["alone", "with_intermediate", "with_root"])
def test_who_opens_the_encryption_is_named(tmp_path: Path, organization: str, said: str, sent: str) -> None:
    report = verdict(make_chain(tmp_path, organization), sent)
    assert report.cause == "tls_intercepted"
    assert said in report.explanation
    assert "--ca-file" in " ".join(report.remedy)


@pytest.mark.usefixtures("caught")
def test_a_providers_name_on_a_private_certificate_is_an_interception(tmp_path: Path) -> None:
    chain = make_chain(tmp_path, PRIVATE, "smtp.gmail.com", url=False)
    for sent in ("alone", "with_intermediate", "with_root"):
        report = verdict(chain, sent, host="smtp.gmail.com")
        assert report.cause == "tls_intercepted"
        assert "always shows a certificate of a public authority" in report.explanation


def test_a_certificate_that_is_not_the_pinned_one(tmp_path: Path) -> None:
    chain = make_chain(tmp_path, PUBLIC)
    with ScriptedServer(says("220 mail.test"), server_context(chain.with_intermediate)) as server:
        report = check(server, Protocol.SMTP, Security.TLS, pin="ab" * 32)
    assert report.cause == "tls_verify_failed"
    assert "another certificate than the one that is pinned" in report.explanation
    assert f"sha256:{chain.alone.sha256}" in report.explanation
    assert "store of trusted" not in report.explanation
