"""`pass` with a GnuPG key of its own: `PasswordStore`."""

import shutil
import subprocess
from pathlib import Path
from typing import Self

from .workspace import Workspace

NEEDED = ("pass", "gpg", "gpgconf")


class PasswordStore:
    """An empty store under a real key without a passphrase, in a folder of its own; a context manager.

    Attributes:
        env: what `pass` needs in its environment, the path to programs apart.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._home = workspace.folder("pass")
        gnupg = self._home / "gnupg"
        gnupg.mkdir(mode=0o700)
        self.env = {"GNUPGHOME": str(gnupg), "PASSWORD_STORE_DIR": str(self._home / "store")}
        self._whole = {**self.env, "PATH": "/usr/bin:/bin", "HOME": str(self._home), "LANG": "C.UTF-8"}

    def __enter__(self) -> Self:
        self._run(
            "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "t@example.org", "ed25519", "cert"
        )
        found = self._run("gpg", "--batch", "--with-colons", "--list-keys", "t@example.org")
        key = next(line.split(":")[9] for line in found.splitlines() if line.startswith("fpr:"))
        self._run("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-add-key", key, "cv25519", "encr")
        self._run("pass", "init", key)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["gpgconf", "--kill", "all"], env=self._whole, check=False, timeout=30)
        shutil.rmtree(Path(self.env["GNUPGHOME"]), ignore_errors=True)

    def insert(self, name: str, password: str) -> None:
        """Put a password into the store."""
        self._run("pass", "insert", "--multiline", name, stdin=f"{password}\nand notes\n")

    def lose_key(self) -> None:
        """Let the key be gone, as on a machine to which only the store was copied."""
        subprocess.run(["gpgconf", "--kill", "all"], env=self._whole, check=False, timeout=30)
        shutil.rmtree(Path(self.env["GNUPGHOME"]) / "private-keys-v1.d")

    def _run(self, *words: str, stdin: str = "") -> str:
        done = subprocess.run(words, input=stdin, env=self._whole, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout
