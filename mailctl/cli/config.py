"""`mailctl config path|check`."""

from typing import Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.problem import Problem
from mailctl.domain.record import dataclass
from mailctl.domain.when import counted
from mailctl.errors import ConfigError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Fields, Table, columns


@dataclass(frozen=True, slots=True)
class ConfigPaths:
    """Where the files are."""

    config: str
    settings: str
    servers: str
    gateways: str
    oauth: str
    state: str
    journal: str
    mail: str


@dataclass(frozen=True, slots=True)
class ConfigCheck:
    """What was read, and everything wrong with it."""

    servers: int
    gateways: int
    problems: list[Problem]


RESULTS: dict[str, Any] = {"config path": ConfigPaths, "config check": ConfigCheck}
app = App()


@app.callback()
def config() -> None:
    """Where the files are, and whether they are right."""


@app.verb()
def path(ctx: typer.Context) -> None:
    """Where the files are."""
    context = Context.of(ctx)
    paths = context.paths
    found = ConfigPaths(
        config=str(paths.config),
        settings=str(paths.config / "config.toml"),
        servers=str(paths.config / "servers"),
        gateways=str(paths.config / "gateways"),
        oauth=str(paths.config / "oauth"),
        state=str(paths.state),
        journal=str(paths.state / "journal.db"),
        mail=str(paths.data / "mail"),
    )
    pairs = [(name, getattr(found, name)) for name in ConfigPaths.__dataclass_fields__]
    context.emit(Outcome(found, Fields(pairs)))


@app.verb()
def check(ctx: typer.Context) -> None:
    """Read every file and list everything wrong: file, key, what, and how to mend it."""
    context = Context.of(ctx)
    store = context.config
    problems = [*store.problems(), *_elsewhere(context), *_own_failures(context)]
    found = ConfigCheck(len(store.server_names()), len(store.gateway_names()), problems)
    rows = [(each.file, each.key, each.message, each.fix) for each in problems]
    view = Table(columns("file", "key", "problem", "fix", fold=("file", "problem", "fix")), rows)
    error = None
    if problems:
        error = ConfigError(f"{counted(len(problems), 'thing')} to mend in the configuration")
    notes = (
        [] if problems else [f"All is well: {counted(found.servers, 'server')}, {counted(found.gateways, 'gateway')}."]
    )
    context.emit(Outcome(found, view, error=error, notes=notes))


def _elsewhere(context: Context) -> list[Problem]:
    """What servers name that is not there: presets and certificate files."""
    import os

    from mailctl.domain.names import nearest
    from mailctl.providers.catalog import ids

    known = set(ids())
    found = []
    for server in context.config.servers().objects:
        file = str(context.config.server_path(server.name))
        if server.provider and context.provider(server) is None:
            match = nearest(server.provider, known)
            fix = f"Did you mean {match!r}?" if match else "`mailctl server presets` lists them; or remove the key."
            message = f"there is no preset named {server.provider!r}"
            found.append(Problem(file, "provider", message, fix, server.name))
        ca_file = server.certificate.ca_file
        if ca_file and not os.access(ca_file, os.R_OK):
            fix = f"mailctl server edit {server.name} --ca-file FILE"
            found.append(Problem(file, "certificate.ca_file", f"{ca_file} can't be read", fix, server.name))
    return found


def _own_failures(context: Context) -> list[Problem]:
    """What is wrong with the user's own entries of the failure knowledge."""
    from mailctl.cli.own_failures import read_own_failures

    texts, problems = read_own_failures(context.paths.config / "failures.d")
    if not texts:
        return problems
    from mailctl.diagnosis.knowledge import load_knowledge
    from mailctl.diagnosis.own import misread, with_own

    knowledge, faults = with_own(load_knowledge(), texts, problems)
    return [*faults, *misread(knowledge, texts)]
