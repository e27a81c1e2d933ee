"""Sign-in by OAuth token at a Dovecot of the tests: `OAuthSettings`, and as text for versions 2.3 and 2.4. Pure."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class OAuthSettings:
    """How Dovecot looks at a token.

    Args:
        introspection: where it asks (RFC 7662), by POST; None: it validates JWTs by itself, with the key of `keys`.
        issuer: whose JWTs count, where it validates them itself.
        username: the claim, or member of the answer, with the user's name.
        scope: what a token must have; "" for anything.
        mechanisms: what is on offer.
    """

    introspection: str | None = None
    issuer: str = "https://issuer.test"
    username: str = "sub"
    scope: str = ""
    mechanisms: tuple[str, ...] = ("xoauth2", "oauthbearer")

    def write(self, folder: Path, key: str) -> None:
        """Put into `folder` what `block` names. key: HS256's, in base64."""
        kept = folder / "keys/default/HS256"
        kept.mkdir(parents=True, exist_ok=True)
        (kept / "default").write_text(key)
        (folder / "oauth2.conf").write_text("".join(f"{line}\n" for line in self._lines(folder)))

    def block(self, folder: Path, version: tuple[int, ...]) -> str:
        """For dovecot.conf."""
        if version < (2, 4):
            lines = ["driver = oauth2", f"mechanisms = {' '.join(self.mechanisms)}", f"args = {folder}/oauth2.conf"]
            return "\n".join(["passdb {", *lines, "}\n"])
        lines = [line for line in self._lines(folder) if not line.startswith("local_validation_key_dict")]
        keys = f"oauth2_local_validation {{\ndict fs {{\nfs posix {{\nprefix = {folder}/keys/\n}}\n}}\n}}"
        return "\n".join(["oauth2 {", *lines, *([] if self.introspection else [keys]), "}\n"])

    def _lines(self, folder: Path) -> list[str]:
        lines = [f"username_attribute = {self.username}"]
        if self.introspection:
            lines += ["introspection_mode = post", f"introspection_url = {self.introspection}"]
            lines += ["active_attribute = active", "active_value = true"]
        else:
            lines += ["introspection_mode = local", f"local_validation_key_dict = fs:posix:prefix={folder}/keys/"]
            lines += [f"issuers = {self.issuer}"]
        return lines + ([f"scope = {self.scope}"] if self.scope else [])
