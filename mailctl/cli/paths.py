"""Where files live: the XDG base directories, or what options and environment say."""

import os
from collections.abc import Mapping
from pathlib import Path

from mailctl.domain.home import home_folder
from mailctl.domain.record import dataclass


@dataclass(frozen=True, slots=True)
class Paths:
    """The folders of configuration, state (sync state, mailer log) and data (mail)."""

    config: Path
    state: Path
    data: Path

    def realm(self, env: Mapping[str, str]) -> str:
        """Eight hex digits that tell this configuration folder's keyring entries from others', "" for the usual one."""
        usual, here = _usual(env, "XDG_CONFIG_HOME", ".config").resolve(), self.config.resolve()
        if here == usual:
            return ""
        from hashlib import sha256

        return sha256(bytes(here)).hexdigest()[:8]

    def guards(self, env: Mapping[str, str]) -> Path:
        """The folder of the locks and lists of kept secrets: one for all commands that share this configuration.

        They keep the same entries, whatever --state-dir each has; a configuration that can't be written to, too.
        """
        here = next((each for each in (self.config, *self.config.parents) if each.exists()), self.config)
        if os.access(here, os.W_OK):
            return self.config
        return _usual(env, "XDG_STATE_HOME", ".local/state") / f"secrets-{self.realm(env) or 'usual'}"


def find_paths(env: Mapping[str, str], config_dir: str, state_dir: str) -> Paths:
    """The folders; `config_dir` and `state_dir` win over the environment unless they are ""."""
    return Paths(
        config=Path(config_dir) if config_dir else _usual(env, "XDG_CONFIG_HOME", ".config"),
        state=Path(state_dir) if state_dir else _usual(env, "XDG_STATE_HOME", ".local/state"),
        data=_usual(env, "XDG_DATA_HOME", ".local/share"),
    )


def _usual(env: Mapping[str, str], variable: str, fallback: str) -> Path:
    """A relative path in an XDG variable is to be ignored, says the specification."""
    base = env.get(variable, "")
    return Path(base) / "mailctl" if base.startswith("/") else home_folder(env) / fallback / "mailctl"
