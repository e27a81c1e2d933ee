"""A user's home with gateways on the tests' servers, and what `mailctl test` says of them: `Home`."""

from typing import Any

from tests.cli.support import Cli

from .certificates import Certificates


class Home:
    """A user's home with gateways on the tests' servers."""

    def __init__(self, cli: Cli, certificates: Certificates) -> None:
        self.cli, self.certificates = cli, certificates

    def gateway(
        self, name: str, user: str, password: str, *endpoints: str, server: str = "", more: str = "", trust: str = ""
    ) -> None:
        """A gateway NAME. endpoints: `imap HOST PORT SECURITY`."""
        for folder in ("servers", "gateways"):
            (self.cli.config / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        sections = []
        for endpoint in endpoints:
            protocol, host, port, security = endpoint.split()
            sections.append(f'[{protocol}]\nhost = "{host}"\nport = {port}\nsecurity = "{security}"\n')
        trust = trust or f'ca_file = "{self.certificates.ca}"'
        self._write(f"servers/{name}.toml", "".join(sections) + f"[certificate]\n{trust}\n")
        inbound = "pop3" if not any(each.startswith("imap") for each in endpoints) else "imap"
        self._write(
            f"gateways/{name}.toml",
            f'server = "{server or name}"\nemail = "{user}@mail.test"\n{more}[login]\nuser = "{user}"\n'
            f'[inbound]\nprotocol = "{inbound}"\n',
        )
        if password:
            self.cli.ok("gateway", "password", "set", name, "--password-stdin", stdin=f"{password}\n")

    def _write(self, name: str, text: str) -> None:
        path = self.cli.config / name
        path.write_text(text)
        path.chmod(0o600)

    def test(self, *arguments: str, code: int = 0, stdin: str = "") -> list[dict[str, Any]]:
        """`result.checks[]` of `mailctl test ARGUMENTS --json`, which ends with `code`."""
        found = self.cli.json("test", *arguments, code=code, stdin=stdin)
        checks: list[dict[str, Any]] = found["result"]["checks"]
        return checks

    def one(self, *arguments: str, code: int = 0, stdin: str = "") -> dict[str, Any]:
        """The only check of that."""
        (check,) = self.test(*arguments, code=code, stdin=stdin)
        return check
