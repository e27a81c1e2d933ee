"""`mailctl server add|edit`."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.lazy import App, spread
from mailctl.cli.server_list import ServerRow, fields_of, server_row
from mailctl.cli.server_options import ServerOptions, certificate_warnings
from mailctl.domain.limits import tls_problem
from mailctl.domain.record import dataclass
from mailctl.domain.server import Server
from mailctl.errors import ConfigError, ExistsError, NotFoundError, UsageError
from mailctl.output.emitter import Outcome


@dataclass(frozen=True, slots=True)
class ServerChange:
    """What became of a server. changed: whether its file was (or, with dry_run, would be) written.

    advice: what its provider asks for at sign-in, as sentences.
    """

    name: str
    server: ServerRow
    changed: bool
    dry_run: bool
    advice: list[str]


RESULTS: dict[str, Any] = {"server add": ServerChange, "server edit": ServerChange}
app = App()

PresetOption = Annotated[
    str | None, typer.Option(metavar="PRESET", help="Take endpoints from this preset (`mailctl server presets`).")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be saved; save nothing.")]


@app.verb()
@spread
def add(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME|PRESET", help="Its name; a preset's name alone adds that preset.")
    ],
    options: ServerOptions,
    preset: PresetOption = None,
    domain: Annotated[
        str | None, typer.Option(metavar="DOMAIN", help="Your domain, for presets whose hosts depend on it.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(metavar="REGION", help="The region, for presets whose hosts depend on it.")
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Add a server, from a preset or by hand."""
    context = Context.of(ctx)
    config = context.config
    if config.server_exists(name):
        raise ExistsError(f"There is a server named {name!r} already", hint=f"`mailctl server edit {name}` changes it.")
    values = {key: value for key, value in (("domain", domain), ("region", region)) if value}
    server = _changed(context, _start(name, preset, options, values), options)
    if not dry_run:
        config.save_server(server, new=True)
    _emit(context, server, changed=True, dry_run=dry_run, new=True)


@app.verb()
@spread
def edit(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="SERVER", help="The server.")],
    options: ServerOptions,
    dry_run: DryRun = False,
) -> None:
    """Change a server; what isn't named stays as it is."""
    context = Context.of(ctx)
    config = context.config
    if dry_run:
        old = config.server(name)
        server = _changed(context, old, options)
        _emit(context, server, changed=server != old, dry_run=True)
        return
    with config.locked():
        server = _changed(context, config.server(name), options)
        saved = config.save_server(server)
    _emit(context, server, changed=saved.changed, dry_run=False, warnings=saved.warnings)


def _start(name: str, preset: str | None, options: ServerOptions, values: dict[str, str]) -> Server:
    """The server before its options: from the preset named, from the one of its own name, or bare."""
    from mailctl.domain.names import check_name
    from mailctl.domain.provider import server_of
    from mailctl.providers.catalog import load

    check_name(name, "server")
    if preset is None and options.endpoints_given():
        return Server(name)
    try:
        return server_of(load(preset or name), name, values)
    except NotFoundError as error:
        if preset is not None:
            raise
        raise UsageError(
            f"Say where {name!r} answers: --imap HOST, --pop3 HOST, --smtp HOST, or --preset ID",
            hint=error.hint or "`mailctl server presets` lists the providers that mailctl knows.",
        ) from error


def _changed(context: Context, server: Server, options: ServerOptions) -> Server:
    """`server` with what the options say, full paths and limits obeyed, proven storable. UsageError, ConfigError."""
    server = options.apply(server)
    if not server.endpoints:
        raise UsageError("A server without IMAP, POP3 and SMTP is none", hint="Name at least one of --imap, --smtp.")
    if options.ca_file:
        path = os.path.abspath(os.path.expanduser(options.ca_file))
        _check_ca_file(path)
        server = replace(server, certificate=replace(server.certificate, ca_file=path))
    context.config.check_server(server)
    if options.minimum_tls and (problem := tls_problem(server, context.config.settings.limits)):
        settings = context.paths.config / "config.toml"
        raise ConfigError(f"Not allowed: {problem}", hint=f"The [limits] stand in {settings}.", code="limit")
    return server


def _check_ca_file(path: str) -> None:
    try:
        with open(path, "rb") as file:
            head = file.read(1 << 20)
    except OSError as error:
        raise UsageError(f"--ca-file: {path}: {error.strerror}", code="bad_ca_file") from error
    if b"-----BEGIN CERTIFICATE-----" not in head:
        raise UsageError(f"--ca-file: {path} holds no certificate in PEM form", code="bad_ca_file")


def _emit(
    context: Context,
    server: Server,
    *,
    changed: bool,
    dry_run: bool,
    warnings: Sequence[str] = (),
    new: bool = False,
) -> None:
    from mailctl.domain.provider import sign_in_advice

    provider = context.provider(server) if new else None
    advice = list(sign_in_advice(provider)) if provider else []
    row = server_row(server, None, context.config.server_path(server.name))
    said = "Nothing to change" if not changed else "Would save" if dry_run else "Saved"
    context.emit(
        Outcome(
            ServerChange(server.name, row, changed, dry_run, advice),
            fields_of(row, short=new),
            notes=[*advice, f"{said}: server {server.name}"],
            warnings=[*warnings, *certificate_warnings(server)],
        )
    )
