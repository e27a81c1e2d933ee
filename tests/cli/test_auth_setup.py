"""`mailctl auth setup`: steps, answers by option and by question, what is refused, what is saved."""

import json
import os
import pty
import sys
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from mailctl.domain.secret import Secret
from mailctl.errors import SecretError
from mailctl.secrets.memory import MemoryKeyring
from tests.cli.support import Cli
from tests.cli.test_password import read_until

GUID = "00001111-aaaa-2222-bbbb-3333cccc4444"
TENANT = "99998888-aaaa-2222-bbbb-3333cccc4444"
GOOGLE = "123456789012-abcdef.apps.googleusercontent.com"
SECRET = "GOCSPX-canary-of-a-secret"


def saved(cli: Cli, name: str) -> dict[str, Any]:
    return tomllib.loads((cli.config / f"oauth/{name}.toml").read_text())


@pytest.fixture
def mailbox(cli: Cli) -> Cli:
    cli.ok("server", "add", "outlook")
    cli.ok("gateway", "add", "o", "--server", "outlook", "--email", "a@outlook.com")
    return cli


def test_without_an_answer_the_steps_are_the_result(cli: Cli) -> None:
    done = cli.run("auth", "setup", "google")
    assert done.code == 2
    assert "--client-id" in done.err
    assert done.out.startswith("1. Open https://console.cloud.google.com/")
    found = cli.json("auth", "setup", "google", "--dry-run")["result"]
    assert found["application"] is None
    assert found["scopes"] == ["https://mail.google.com/"]
    assert len(found["steps"]) == 7
    assert not (cli.config / "oauth").exists()


@pytest.mark.parametrize("word", ["microsoft", "outlook", "office365", "someone@hotmail.com"])
def test_the_provider_may_be_named_in_many_ways(cli: Cli, word: str) -> None:
    assert cli.json("auth", "setup", word, "--dry-run")["result"]["service"] == "microsoft"


def test_every_answer_by_option(mailbox: Cli) -> None:
    found = mailbox.json("auth", "setup", "outlook", "--client-id", GUID, "--tenant", "consumers")["result"]
    assert found["changed"]
    assert found["next"] == ["mailctl auth login o"]
    assert saved(mailbox, "microsoft") == {"client_id": GUID, "tenant": "consumers"}
    path = mailbox.config / "oauth/microsoft.toml"
    assert found["path"] == str(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not mailbox.json("auth", "setup", "microsoft", "--client-id", GUID)["result"]["changed"]
    mailbox.ok("config", "check")


def test_a_client_secret_goes_to_the_keyring(cli: Cli) -> None:
    arguments = ("auth", "setup", "google", "--client-id", GOOGLE, "--client-secret-stdin")
    found = cli.run(*arguments, "--json", stdin=f"{SECRET}\n")
    assert SECRET not in found.out + found.err
    assert json.loads(found.out)["result"]["application"]["client_secret"] == {"kind": "keyring", "argument": []}
    assert saved(cli, "google") == {"client_id": GOOGLE, "client_secret": "keyring"}
    secret = cli.keyring.get("mailctl:oauth/google", "client_secret").secret
    assert secret is not None
    assert secret.reveal() == SECRET
    again = cli.ok("auth", "setup", "google", "--client-id", GOOGLE)
    assert "Nothing to change" in again.err


def test_without_a_keyring_the_ways_on_are_those_of_a_client_secret(cli: Cli) -> None:
    class Locked(MemoryKeyring):
        def set(self, service: str, user: str, secret: Secret) -> str:
            raise SecretError("The keyring is locked", hint="GATEWAY", code="keyring_locked")

    cli.keyring = Locked()
    arguments = ("auth", "setup", "google", "--client-id", GOOGLE, "--client-secret-stdin")
    done = cli.run(*arguments, stdin=f"{SECRET}\n")
    assert done.code == 4
    assert "--client-secret-store encrypted" in done.err
    assert not (cli.config / "oauth").exists()


@pytest.mark.parametrize(
    ("option", "value", "source"),
    [("env", "X_SECRET", {"env": "X_SECRET"}), ("command", "pass show x", {"command": ["pass", "show", "x"]})],
)
def test_a_client_secret_stays_where_it_is(cli: Cli, option: str, value: str, source: object) -> None:
    cli.ok("auth", "setup", "google", "--client-id", GOOGLE, f"--client-secret-{option}", value)
    assert saved(cli, "google")["client_secret"] == source


@pytest.mark.parametrize(
    ("word", "tenant"),
    [("outlook", "consumers"), ("office365", "organizations"), ("microsoft", "common"), ("o", "consumers")],
)
def test_the_usual_tenant_is_that_of_the_preset(mailbox: Cli, word: str, tenant: str) -> None:
    found = mailbox.json("auth", "setup", word, "--client-id", GUID, "--dry-run")["result"]
    assert (found["service"], found["application"]["tenant"]) == ("microsoft", tenant)


def test_the_questions(mailbox: Cli) -> None:
    mailbox.env["NO_COLOR"] = "1"
    done = mailbox.run("auth", "setup", "outlook", stdin=f"{GOOGLE}\n{GUID}\n{GUID}\n{TENANT}\n", terminal=True)
    assert done.code == 0, done.err
    assert "1. Open" in done.err
    assert "\nhttps://entra.microsoft.com/#view/" in done.err  # whole, on a line of its own
    said = " ".join(done.err.split())
    assert "is no client id of microsoft" in said
    assert "That is the client id, not the tenant" in said
    assert "Next: mailctl auth login o" in done.err
    assert saved(mailbox, "microsoft") == {"client_id": GUID, "tenant": TENANT}
    done = mailbox.run("auth", "setup", "outlook", stdin="\n\n", terminal=True)
    assert done.code == 0, done.err
    assert "Nothing to change" in done.err


def test_the_client_secret_is_typed_unseen(cli: Cli) -> None:
    """In a process of its own on a terminal; the secret goes into the encrypted file."""
    env = {**cli.env, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm", "MAILCTL_SECRETS_KEY": "k" * 20}
    words = ["auth", "setup", "gmail", "--client-secret-store", "encrypted"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-m", "mailctl", *words], env)
    shown = read_until(terminal, b"Client id: ")
    os.write(terminal, f"{GOOGLE}\n".encode())
    shown += read_until(terminal, b"Client secret: ")
    os.write(terminal, f"{SECRET}\n".encode())
    shown += read_until(terminal, None)
    os.waitpid(pid, 0)
    os.close(terminal)
    assert b"1. Open https://console.cloud.google.com/" in shown.replace(b"\r\n", b" ")
    assert b"Next: mailctl auth login GATEWAY" in shown
    assert SECRET.encode() not in shown
    assert saved(cli, "google") == {"client_id": GOOGLE, "client_secret": "encrypted"}


def test_no_answer_ends_it(cli: Cli) -> None:
    done = cli.run("auth", "setup", "outlook", stdin="", terminal=True)
    assert done.code == 2
    assert "no answer" in done.err
    done = cli.run("auth", "setup", "outlook", stdin="x\nx\nx\nx\n", terminal=True)
    assert done.code == 2
    assert not (cli.config / "oauth").exists()


def test_a_dry_run_saves_nothing(cli: Cli) -> None:
    found = cli.json("auth", "setup", "google", "--client-id", GOOGLE, "--dry-run")["result"]
    assert (found["changed"], found["dry_run"]) == (True, True)
    cli.ok("auth", "setup", "google", "--client-id", GOOGLE, "--client-secret-stdin", "--dry-run", stdin="x\n")
    assert not (cli.config / "oauth").exists()
    assert cli.keyring.get("mailctl:oauth/google", "client_secret").secret is None


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("gmial",), 3, "Did you mean"),
        (("qqqq",), 3, "There is no OAuth service"),
        (("webde",), 2, "takes no OAuth tokens"),
        (("google", "--client-id", "x"), 2, "is no client id of google"),
        (("google", "--client-id", GOOGLE), 2, "--client-secret-stdin"),
        (("microsoft", "--client-id", GUID, "--tenant", "x y"), 2, "is no tenant"),
        (("microsoft", "--client-id", GUID, "--tenant", GUID), 2, "That is the client id"),
        (("microsoft", "--client-id", GUID, "--grant", "client_credentials", "--client-secret-env", "X"), 2, "tenant"),
        (("yahoo", "--client-id", "x", "--client-secret-env", "X", "--grant", "device_code"), 2, "another device"),
        (("google", "--client-id", GOOGLE, "--grant", "device_code"), 2, "invalid_scope"),
        (("google", "--client-id", GOOGLE, "--grant", "client_credentials"), 2, "for itself"),
        (("microsoft", "--grant", "service_account"), 2, "for itself"),
        (("google", "--grant", "service_account"), 2, "key"),
        (("microsoft", "--client-id", GUID, "--redirect", "http://evil.example"), 2, "redirect"),
        (("google", "--issuer", "https://sso.example.org"), 2, "--issuer is for others"),
        (("sso", "--issuer", "http://sso.example.org"), 2, "is no issuer"),
        (("../x", "--issuer", "https://sso.example.org"), 2, "can't be the name"),
    ],
)
def test_what_is_refused(cli: Cli, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = cli.run("auth", "setup", *arguments)
    assert (done.code, words in done.err) == (code, True), done.err
    assert not (cli.config / "oauth").exists()


def test_what_config_toml_describes_is_the_users_own(cli: Cli) -> None:
    cli.config.mkdir(parents=True)
    (cli.config / "config.toml").write_text(f'[oauth.google]\nclient_id = "{GOOGLE}"\n')
    done = cli.run("auth", "setup", "google", "--client-id", GOOGLE)
    assert done.code == 3
    assert "config.toml describes" in done.err
    cli.ok("auth", "setup", "google", "--name", "g2", "--client-id", GOOGLE, "--client-secret-env", "X")
    assert saved(cli, "g2")["service"] == "google"


@pytest.mark.parametrize("store", ["keyring", "encrypted"])
def test_the_client_secret_of_what_config_toml_describes_is_kept(cli: Cli, store: str) -> None:
    cli.env["MAILCTL_SECRETS_KEY"] = "k" * 20
    cli.config.mkdir(parents=True)
    text = f'[oauth.google]\nclient_id = "{GOOGLE}"\nclient_secret = "{store}"\n'
    (cli.config / "config.toml").write_text(text)
    done = cli.run("auth", "setup", "google")
    assert (done.code, "--client-secret-stdin" in done.err) == (2, True)
    setup = ("auth", "setup", "google", "--client-secret-stdin")
    assert "Would save: the client secret of google" in cli.ok(*setup, "--dry-run", stdin=SECRET).err
    assert "Saved: the client secret of google" in cli.ok(*setup, stdin=SECRET).err
    assert "Nothing to change" in cli.ok("auth", "setup", "google").err
    assert (cli.config / "config.toml").read_text() == text
    assert not (cli.config / "oauth").exists()
    kept = cli.keyring.get("mailctl:oauth/google", "client_secret").secret
    assert (kept is not None) == (store == "keyring")
    done = cli.run("auth", "setup", "google", "--client-id", GOOGLE)
    assert (done.code, "config.toml describes" in done.err) == (3, True)


def test_a_client_secret_that_is_gone_is_asked_for_again(cli: Cli) -> None:
    setup = ("auth", "setup", "google", "--client-id", GOOGLE)
    cli.ok(*setup, "--client-secret-stdin", stdin=SECRET)
    cli.keyring.delete("mailctl:oauth/google", "client_secret")
    done = cli.run(*setup)
    assert (done.code, "--client-secret-stdin" in done.err) == (2, True)
    assert "Saved" in cli.ok(*setup, "--client-secret-stdin", stdin=SECRET).err
    assert cli.keyring.get("mailctl:oauth/google", "client_secret").secret
    cli.env["MAILCTL_SECRETS_KEY"] = "k" * 20
    cli.ok(*setup, "--client-secret-stdin", "--client-secret-store", "encrypted", stdin=SECRET)
    assert saved(cli, "google")["client_secret"] == "encrypted"


def test_grants_that_need_nobody(cli: Cli, tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    key.write_text("{}")
    key.chmod(0o600)
    arguments = ("auth", "setup", "google", "--grant", "service_account", "--key-file", str(key))
    add = "mailctl gateway add GATEWAY --server SERVER --email ADDRESS"
    assert cli.json(*arguments)["result"]["next"] == [add, "mailctl test GATEWAY"]
    assert saved(cli, "google") == {"grant": "service_account", "key": {"file": str(key)}}
    daemon = ("--client-id", GUID, "--tenant", TENANT, "--grant", "client_credentials", "--client-secret-file", "/s")
    cli.ok("auth", "setup", "microsoft", *daemon)
    assert saved(cli, "microsoft")["client_secret"] == {"file": "/s"}


@pytest.fixture
def issuer() -> Iterator[str]:
    """An identity provider that tells of itself."""

    class Metadata(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            base = f"http://{self.headers['Host']}"
            facts = {"issuer": base, "authorization_endpoint": f"{base}/a", "token_endpoint": f"{base}/t"}
            self.send_response(200 if "oauth-authorization-server" in self.path else 404)
            self.end_headers()
            self.wfile.write(json.dumps(facts).encode())

        def log_message(self, *words: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Metadata)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_identity_provider_of_ones_own_tells_its_endpoints(cli: Cli, issuer: str) -> None:
    arguments = ("auth", "setup", "sso", "--issuer", issuer, "--client-id", "mailctl", "--scope", "openid")
    found = cli.json(*arguments)["result"]
    assert found["application"]["token_endpoint"] == f"{issuer}/t"
    assert saved(cli, "sso") == {
        "client_id": "mailctl",
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/a",
        "token_endpoint": f"{issuer}/t",
        "scopes": ["openid"],
    }
    assert not cli.json("auth", "setup", "sso", "--client-id", "mailctl")["result"]["changed"]
    assert cli.run("auth", "setup", "other", "--issuer", f"{issuer}/x", "--client-id", "x").code == 9


def test_an_identity_provider_is_found_as_its_tokens_are_fetched_by_the_system(cli: Cli, issuer: str) -> None:
    cli.config.mkdir(parents=True, mode=0o700)
    (cli.config / "config.toml").touch(0o600)
    (cli.config / "config.toml").write_text('nameserver = "127.0.0.1:1"\n')  # it is for MX, SRV and autoconfig
    arguments = ("auth", "setup", "sso", "--issuer", issuer, "--client-id", "mailctl", "--scope", "openid")
    assert cli.json(*arguments)["result"]["application"]["token_endpoint"] == f"{issuer}/t"
