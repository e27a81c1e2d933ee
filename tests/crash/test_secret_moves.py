"""`secrets move`, and `gateway edit` with tokens, killed at every change of theirs or a keyring: nothing is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mailctl.config.store import ConfigStore
from mailctl.domain.gateway import Gateway, Login, LoginRole, SecretSource, SourceKind
from mailctl.domain.secret import Secret
from mailctl.domain.server import Endpoint, Protocol, Security, Server
from mailctl.secrets.encrypted import EncryptedFile
from mailctl.secrets.jose import new_key

STEP = 1 if int(os.environ.get("MAILCTL_CRASH_KILLS", "15")) >= 1000 else 3
"""Every so many changes; at full length, each."""
ROOT = Path(__file__).parents[2]
KEPT = {("mailctl:work", "login"): "hunter2", ("mailctl:cloud", "login:oauth"): "t" * 3000}
EDIT = ("gateway", "edit", "cloud", "--secret", "oauth")


TOOLS = """
import json, os
from keyring.backend import KeyringBackend

def change():
    "One more change: both processes end at the one whose number is in $DIES."
    with open(os.environ["COUNT"], "ab") as file:
        file.write(b".")
    if os.path.getsize(os.environ["COUNT"]) == int(os.environ["DIES"]):
        if "keyring_child" in open("/proc/self/cmdline").read():
            os.kill(os.getppid(), 9)
        os.kill(os.getpid(), 9)

class Kept(KeyringBackend):
    priority = 1
    path = os.environ["KEPT"]
    def _read(self):
        return json.load(open(self.path)) if os.path.exists(self.path) else {}
    def _write(self, kept):
        change()
        with open(self.path + ".new", "w") as file:
            json.dump(kept, file)
        os.rename(self.path + ".new", self.path)
    def get_password(self, service, user): return self._read().get(f"{service} {user}")
    def set_password(self, service, user, value): self._write({**self._read(), f"{service} {user}": value})
    def delete_password(self, service, user):
        kept = self._read()
        del kept[f"{service} {user}"]
        self._write(kept)
"""
CUSTOMIZE = """
import os
replace = os.replace
def counted(*args, **more):
    from kept_backend import change
    change()
    replace(*args, **more)
os.replace = counted
"""


class Home:
    """Two gateways, a password and a token, with a keyring in a file and an encrypted file."""

    def __init__(self, folder: Path) -> None:
        tools = folder / "tools"
        tools.mkdir()
        (tools / "kept_backend.py").write_text(TOOLS)
        (tools / "sitecustomize.py").write_text(CUSTOMIZE)
        self.key, self.kept, self.count = new_key(), folder / "kept", folder / "count"
        self.config = folder / ".config/mailctl"
        self.env = {
            "HOME": str(folder),
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": f"{tools}:{ROOT}",
            "PYTHON_KEYRING_BACKEND": "kept_backend.Kept",
            "KEPT": str(self.kept),
            "COUNT": str(self.count),
            "MAILCTL_SECRETS_KEY": self.key,
        }
        endpoints = {Protocol.IMAP: Endpoint("mail.example.org", 993, Security.TLS)}
        ConfigStore(self.config).save_server(Server("example", endpoints=endpoints))

    def begin(self, store: SourceKind) -> None:
        """Put everything into one store, and nothing into the other."""
        self.kept.unlink(missing_ok=True)
        (self.config / "secrets.jwe").unlink(missing_ok=True)
        config = ConfigStore(self.config)
        oauth = SecretSource(SourceKind.OAUTH, () if store is SourceKind.KEYRING else ("", "encrypted"))
        config.save_gateway(Gateway("work", "example", "a@example.org", Login("a", SecretSource(store))))
        config.save_gateway(Gateway("cloud", "example", "b@example.org", Login("b", oauth)))
        if store is SourceKind.KEYRING:
            self.kept.write_text(json.dumps({" ".join(name): value for name, value in KEPT.items()}))
        else:
            for name, value in KEPT.items():
                self.encrypted().set(*name, Secret(value))

    def move(self, to: SourceKind, dies: int = 0) -> int:
        """Run the move, ended at its change number `dies`; its exit code."""
        return self.run("secrets", "move", "--to", to.value, dies=dies)

    def run(self, *words: str, dies: int = 0) -> int:
        self.count.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "mailctl", *words]
        env = {**self.env, "DIES": str(dies)}
        return subprocess.run(argv, env=env, capture_output=True, check=False, timeout=60).returncode

    def encrypted(self) -> EncryptedFile:
        return EncryptedFile(self.config / "secrets.jwe", lambda new: Secret(self.key))

    def in_keyring(self) -> dict[str, str]:
        return dict(json.loads(self.kept.read_text())) if self.kept.exists() else {}

    def found(self) -> dict[tuple[str, str], str]:
        """What is where the gateways' files say."""
        found = {}
        for service, user in KEPT:
            name, role = service.removeprefix("mailctl:"), LoginRole(user.partition(":")[0])
            if ConfigStore(self.config).gateway(name).logins[role].secret.store is SourceKind.KEYRING:
                found[service, user] = self.in_keyring()[f"{service} {user}"]
            else:
                secret = self.encrypted().get(service, user).secret
                assert secret is not None
                found[service, user] = secret.reveal()
        return found


@pytest.mark.parametrize(("old", "new"), [("keyring", "encrypted"), ("encrypted", "keyring")])
def test_a_move_that_is_killed_at_any_change_loses_nothing(tmp_path: Path, old: str, new: str) -> None:
    home, target = Home(tmp_path), SourceKind(new)
    at = 1 - STEP
    while True:
        at += STEP
        home.begin(SourceKind(old))
        code = home.move(target, at)
        assert home.found() == KEPT, at
        if code == 0:
            break
        assert code == -9
        assert home.move(target) == 0
        assert home.found() == KEPT
        left = home.in_keyring() if target is SourceKind.ENCRYPTED else home.encrypted().names
        assert not left, at
    assert 6 <= at < 100


@pytest.mark.parametrize(("old", "new"), [("keyring", "encrypted"), ("encrypted", "keyring")])
def test_a_changed_gateway_that_is_killed_at_any_change_keeps_its_tokens(tmp_path: Path, old: str, new: str) -> None:
    home, token = Home(tmp_path), ("mailctl:cloud", "login:oauth")
    words = [*EDIT, "--encrypted"] if new == "encrypted" else EDIT
    for at in range(1, 100, STEP):
        home.begin(SourceKind(old))
        code = home.run(*words, dies=at)
        assert home.found()[token] == KEPT[token], at
        if code == 0:
            break
        assert code == -9
    assert at >= 4
