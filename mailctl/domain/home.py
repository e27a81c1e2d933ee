"""The user's home folder."""

from collections.abc import Mapping
from pathlib import Path

from mailctl.errors import ConfigError


def home_folder(env: Mapping[str, str]) -> Path:
    """What $HOME says, or the user database where it is unset or empty; ConfigError if nothing tells."""
    if home := env.get("HOME"):
        return Path(home)
    import os
    import pwd

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        raise ConfigError("Nothing tells where the home folder is", hint="Set HOME.", code="no_home") from None
