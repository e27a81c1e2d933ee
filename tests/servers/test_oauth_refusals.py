"""What `auth token` says of a renewal that is refused: the server's words, what they mean, and what to do."""

from pathlib import Path

import pytest

from tests.cli.support import Cli

from .signing_in import configure, keep_lapsed
from .support.certificates import Certificates
from .support.oauth_server import Fault, OAuthServer


@pytest.fixture
def cli(tmp_path: Path, oauth_server: OAuthServer, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A home with the gateway `work`, which was signed in, and whose token has lapsed."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    made = Cli(tmp_path)
    configure(made.config, oauth_server.table())
    keep_lapsed(made.env, made.keyring)
    return made


@pytest.mark.parametrize(
    ("error", "said", "code", "exit_code", "cause", "hint"),
    [
        ("invalid_grant", "Token has been expired or revoked.", "oauth_expired", 4, "token_expired", "auth login work"),
        ("invalid_grant", "AADSTS50076: multi-factor authentication is needed", "oauth_expired", 4, "mfa_required", ""),
        ("invalid_grant", "AADSTS65001: The user has not consented", "oauth_expired", 4, "consent_required", ""),
        ("invalid_client", "AADSTS7000222: The keys are expired", "oauth_refused", 7, "client_secret_expired", ""),
        ("unauthorized_client", "AADSTS700016: Application was not found", "oauth_refused", 7, "app_not_found", ""),
    ],
)  # fmt: skip
def test_F8_what_a_refused_renewal_means_is_said(
    cli: Cli, oauth_server: OAuthServer, error: str, said: str, code: str, exit_code: int, cause: str, hint: str
) -> None:
    body = f'{{"error": "{error}", "error_description": "{said}"}}'.encode()
    oauth_server.faults["/token"] = Fault(body, 400)
    found = cli.json("auth", "token", "work", code=exit_code)["error"]
    assert (found["code"], found["cause"]) == (code, cause)
    assert hint in found["hint"]
    assert found["hint"]
    assert len(oauth_server.forms()) == 1


def test_F5_escape_sequences_of_a_refusal_are_made_visible(cli: Cli, oauth_server: OAuthServer) -> None:
    oauth_server.faults["/token"] = Fault(
        b'{"error": "\\u001b[31mx", "error_description": "\\u001b]0;t\\u0007\\u202e"}', 400
    )
    done = cli.run("auth", "token", "work", terminal=True)
    assert done.code == 7
    assert not [part for part in ("\x1b]", "\x1b[31mx", "\x07", "\u202e") if part in done.err]


def test_F10_a_web_page_instead_of_an_answer_is_named(cli: Cli, oauth_server: OAuthServer) -> None:
    oauth_server.faults["/token"] = Fault(b"<html><script>alert(1)</script>", 200, "text/html")
    found = cli.json("auth", "token", "work", code=9)["error"]
    assert (found["code"], found["cause"]) == ("oauth_answer", "protocol_violation")
    assert "a web page" in found["message"]
    assert "alert" not in str(found)
