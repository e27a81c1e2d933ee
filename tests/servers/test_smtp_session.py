"""SMTP check sessions on a real Postfix with Dovecot's SASL."""

import pytest

from mailctl.domain.check import CheckJob
from mailctl.domain.deadline import Deadline
from mailctl.domain.secret import Secret
from mailctl.domain.server import CertificatePolicy, Protocol, Security
from mailctl.errors import AuthError, RefusedError
from mailctl.protocols.smtp import smtp_session
from mailctl.protocols.tls import UNVERIFIED
from mailctl.protocols.transcript import Transcript
from tests.servers.support.certificates import Certificates
from tests.servers.support.dovecot import ACCENTED_PASSWORD
from tests.servers.support.fixtures import MakePostfix
from tests.servers.support.postfix import Postfix, PostfixSettings
from tests.wire.support.jobs import Climbed, job


def climb(check: CheckJob, password: str = "alice-pw") -> Climbed:
    return Climbed(smtp_session(check, Secret(password), Deadline(20)))


def submission(postfix: Postfix, certificates: Certificates, user: str = "alice") -> CheckJob:
    address = f"{user}@mail.test"
    return job(Protocol.SMTP, postfix.submission, Security.STARTTLS, certificates.ca, user=user, address=address)


def test_submission_with_starttls_climbs_to_rcpt(postfix: Postfix, certificates: Certificates) -> None:
    climbed = climb(submission(postfix, certificates))
    assert climbed.error is None
    assert list(climbed.evidence)[2:] == ["greeting", "ehlo", "starttls", "authenticate", "mail", "rcpt", "relay"]
    assert "STARTTLS" in climbed.evidence["ehlo"]["extensions_before_tls"]  # type: ignore[operator]  # a list
    inside = climbed.evidence["starttls"]
    assert inside["tls_version"] == "TLSv1.3"
    assert inside["fingerprint"] == certificates.good.sha256
    assert "PLAIN" in inside["auth"]  # type: ignore[operator]  # a list
    assert inside["size"] == 200_000
    assert climbed.evidence["authenticate"] == {"mechanism": "PLAIN"}
    assert climbed.evidence["rcpt"]["enhanced"] == "2.1.5"


def test_implicit_tls_climbs_to_rcpt(postfix: Postfix, certificates: Certificates) -> None:
    climbed = climb(job(Protocol.SMTP, postfix.submissions, Security.TLS, certificates.ca))
    assert climbed.error is None
    assert list(climbed.evidence)[2:5] == ["tls", "greeting", "ehlo"]


def test_a_password_beyond_ascii_signs_in(postfix: Postfix, certificates: Certificates) -> None:
    climbed = climb(submission(postfix, certificates, "accented"), ACCENTED_PASSWORD)
    assert climbed.error is None


def test_a_wrong_password_is_refused_with_the_whole_reply(postfix: Postfix, certificates: Certificates) -> None:
    climbed = climb(submission(postfix, certificates), "not-the-password")
    assert climbed.failed == "authenticate"
    assert isinstance(climbed.error, AuthError)
    assert climbed.error.server_text.startswith("535 5.7.8 ")
    assert climbed.cause == ""


def test_a_sender_that_is_not_ones_own_is_refused_at_rcpt_or_mail(postfix: Postfix, certificates: Certificates) -> None:
    other = job(Protocol.SMTP, postfix.submission, Security.STARTTLS, certificates.ca, address="bob@mail.test")
    climbed = climb(other)
    assert climbed.failed in ("mail", "rcpt")
    assert isinstance(climbed.error, RefusedError)
    assert climbed.error.detail["enhanced"] == "5.7.1"


def test_a_port_that_offers_no_sign_in_says_so(postfix: Postfix, certificates: Certificates) -> None:
    check = job(Protocol.SMTP, postfix.mx, Security.STARTTLS, certificates.ca, address="unknown@mail.test")
    climbed = climb(check)
    assert climbed.failed == "authenticate"
    assert climbed.cause == "auth_not_offered"


def test_without_a_secret_the_session_ends_before_signing_in(postfix: Postfix, certificates: Certificates) -> None:
    session = smtp_session(submission(postfix, certificates), None, Deadline(20))
    assert session.stages[-1] == "starttls"
    assert Climbed(session).error is None


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_each_mechanism_signs_in(make_postfix: MakePostfix, certificates: Certificates, mechanism: str) -> None:
    others = {"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"} - {mechanism}
    hidden = ", ".join(f"!{name.lower()}" for name in sorted(others))
    postfix = make_postfix(PostfixSettings(parameters={"smtpd_sasl_mechanism_filter": f"{hidden}, static:all"}))
    climbed = climb(submission(postfix, certificates))
    assert climbed.error is None
    assert climbed.evidence["authenticate"] == {"mechanism": mechanism}


def test_an_unverified_certificate_warns(postfix: Postfix) -> None:
    policy = CertificatePolicy(verify=False)
    climbed = climb(job(Protocol.SMTP, postfix.submissions, Security.TLS, None, policy=policy))
    assert climbed.error is None
    assert climbed.evidence["tls"]["warnings"] == [UNVERIFIED]


def test_a_pinned_certificate_is_enough(postfix: Postfix, certificates: Certificates) -> None:
    policy = CertificatePolicy(fingerprints=(certificates.good.sha256,))
    climbed = climb(job(Protocol.SMTP, postfix.submissions, Security.TLS, None, policy=policy))
    assert climbed.error is None
    assert "warnings" not in climbed.evidence["tls"]


def test_the_transcript_shows_the_conversation_without_the_password(
    postfix: Postfix, certificates: Certificates
) -> None:
    transcript = Transcript()
    secret = Secret("alice-pw")
    Climbed(smtp_session(submission(postfix, certificates), secret, Deadline(20), transcript))
    lines = transcript.lines()
    assert any("C: STARTTLS" in line for line in lines)
    assert any("C: AUTH PLAIN ***" in line for line in lines)
    assert not any("alice-pw" in line for line in lines)
    assert any("TLSv1.3" in line for line in lines)
