"""Reads the user's own entries of the failure knowledge, `<config>/failures.d/*.toml`."""

from pathlib import Path

from mailctl.config import files
from mailctl.domain.problem import Problem
from mailctl.errors import ConfigError, StorageError


def read_own_failures(folder: Path) -> tuple[list[tuple[str, str]], list[Problem]]:
    """The files of `folder` as (path, text), and what can't be read; nothing if the folder isn't there."""
    found: list[tuple[str, str]] = []
    problems: list[Problem] = []
    try:
        names = files.names(folder)
    except StorageError as error:
        return [], [Problem(str(folder), "", error.message, error.hint)]
    for path in (str(folder / name) for name in names):
        try:
            found.append((path, files.read(Path(path)).text))
        except (ConfigError, StorageError) as error:
            problems.append(
                Problem(path, "", error.message.removeprefix(f"{path} ").removeprefix(f"{path}: "), error.hint)
            )
        except FileNotFoundError:
            problems.append(Problem(path, "", "it is a link that leads nowhere"))
    return found, problems
