"""One process that gets a token as mailctl does, and may end in the middle: `python -m tests.servers.refresher`.

Its only argument is JSON: `url` of the server, `ca`, `folder` for the encrypted file and the locks, `refused`: the
digest of a token that is no good, `die`: at which step it kills itself, counted over requests and changes of the file,
before and after each; -1: never. It waits for a line on stdin, and prints the token, or `error CODE`.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mailctl.domain.deadline import Deadline
from mailctl.domain.gateway import LoginRole, SecretSource, SourceKind
from mailctl.domain.oauth import Application, HttpAnswer
from mailctl.domain.provider import OAuthService
from mailctl.domain.secret import Secret
from mailctl.domain.server import CertificatePolicy
from mailctl.errors import MailctlError
from mailctl.protocols.http import HttpPost
from mailctl.secrets.encrypted import EncryptedFile
from mailctl.secrets.oauth.tokens import Tokens

from .support.oauth_server import PUBLIC

SOURCE = SecretSource(SourceKind.OAUTH, ("own", "encrypted"))
STEPS = 10
"""Of a renewal: before and after the trial, the request, the first keeping, the second, and the removal."""


class Steps:
    """Counts what has effects, and ends the process where it is told to."""

    def __init__(self, die: int) -> None:
        self.left = die

    def step(self) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1


class Post(HttpPost):
    steps: Steps

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str], deadline: Deadline) -> HttpAnswer:
        self.steps.step()
        answer = super().__call__(url, body, headers, deadline)
        self.steps.step()
        return answer


class File(EncryptedFile):
    steps: Steps

    def set(self, service: str, user: str, secret: Secret) -> str:
        self.steps.step()
        backend = super().set(service, user, secret)
        self.steps.step()
        return backend

    def delete(self, service: str, user: str) -> bool:
        self.steps.step()
        found = super().delete(service, user)
        self.steps.step()
        return found


def make(told: Mapping[str, Any]) -> Tokens:
    """What gives tokens, as `told`."""
    url, folder, steps = str(told["url"]), Path(told["folder"]), Steps(told.get("die", -1))
    service = OAuthService("own", url, f"{url}/authorize", f"{url}/token", scopes={"imap": ("mail", "offline_access")})
    application = Application("own", service, PUBLIC)
    post, file = Post(CertificatePolicy(ca_file=str(told["ca"]))), File(folder / "secrets.jwe", lambda new: KEY)
    post.steps = file.steps = steps
    return Tokens(
        lambda *_: (application, "alice"),
        lambda _: file,
        lambda gateway: f"mailctl:{gateway}",
        post,
        lambda *_: Secret("x"),
        folder / "locks",
        lambda: datetime.now(UTC),
    )


KEY = Secret(json.dumps({"kty": "oct", "k": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "alg": "A256KW"}))


def main() -> None:
    """See the module."""
    told = json.loads(sys.argv[1])
    tokens = make(told)
    sys.stdin.readline()
    try:
        print(tokens.access_token("work", LoginRole.LOGIN, SOURCE, refused=told.get("refused", "")).reveal())
    except MailctlError as error:
        print(f"error {error.code}")


if __name__ == "__main__":
    main()
