"""`mailctl server list|show`."""

from typing import Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.record import dataclass
from mailctl.domain.server import CertificatePolicy, Protocol, Security, Server
from mailctl.errors import UsageError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Cell, Fields, Styled, Table, columns


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """Where one protocol answers."""

    protocol: Protocol
    host: str
    port: int
    security: Security


@dataclass(frozen=True, slots=True)
class ServerRow:
    """A server. provider: id of its preset, or "".

    gateways: how many are on it, names: which; null and empty where they were not counted (`add`, `edit`).
    """

    name: str
    provider: str
    endpoints: list[EndpointRow]
    certificate: CertificatePolicy
    gateways: int | None
    names: list[str]
    file: str


RESULTS: dict[str, Any] = {"server list": list[ServerRow], "server show": ServerRow}
app = App()


def server_row(server: Server, users: list[str] | None, file: object) -> ServerRow:
    """The row of a server with the gateways `users`; None: not counted."""
    endpoints = [
        EndpointRow(protocol, endpoint.host, endpoint.port, endpoint.security)
        for protocol, endpoint in server.endpoints.items()
    ]
    return ServerRow(
        name=server.name,
        provider=server.provider or "",
        endpoints=endpoints,
        certificate=server.certificate,
        gateways=None if users is None else len(users),
        names=sorted(users or ()),
        file=str(file),
    )


@app.verb("list")
def list_servers(
    ctx: typer.Context,
    in_use: Annotated[bool, typer.Option("--in-use", help="Only those with gateways.")] = False,
    unused: Annotated[bool, typer.Option("--unused", help="Only those without.")] = False,
) -> None:
    """The servers, and how many gateways are on each."""
    context = Context.of(ctx)
    if in_use and unused:
        raise UsageError("--in-use and --unused exclude each other")
    servers, gateways = context.config.servers(), context.config.gateways()
    users: dict[str, list[str]] = {}
    for gateway in gateways.objects:
        users.setdefault(gateway.server, []).append(gateway.name)
    rows = [
        server_row(server, users.get(server.name, []), context.config.server_path(server.name))
        for server in servers.objects
        if not (in_use and server.name not in users) and not (unused and server.name in users)
    ]
    hosts = ("imap", "pop3", "smtp")
    titles = columns("name", "provider", *hosts, "gateways", right=("gateways",), fold=hosts)
    view = Table(titles, [_cells(row) for row in rows], empty="No servers; `mailctl server add` makes one.")
    problems = [str(problem) for problem in (*servers.problems, *gateways.problems)]
    context.emit(Outcome(rows, view, warnings=problems))


@app.verb()
def show(ctx: typer.Context, name: Annotated[str, typer.Argument(metavar="SERVER", help="The server.")]) -> None:
    """One server in full."""
    from mailctl.cli.server_options import certificate_warnings

    context = Context.of(ctx)
    server = context.config.server(name)
    row = server_row(server, context.config.server_users(name), context.config.server_path(name))
    context.emit(Outcome(row, fields_of(row), warnings=certificate_warnings(server)))


def fields_of(row: ServerRow, *, short: bool = False) -> Fields:
    """A server for people. short: name, endpoints and file; the rest `show` has."""
    policy = row.certificate
    pairs: list[tuple[str, Cell]] = [("name", row.name), ("provider", row.provider or "none")]
    pairs += [(each.protocol.value, _where(each)) for each in row.endpoints]
    if short:
        return Fields([pairs[0], *pairs[2:], ("file", row.file)], title=row.name)
    pairs.append(("certificate", "checked" if policy.verify else Styled("not checked", "bad")))
    if policy.ca_file:
        pairs.append(("ca_file", policy.ca_file))
    pairs += [("fingerprint", f"sha256:{each}") for each in policy.fingerprints]
    pairs.append(("minimum_tls", policy.minimum_tls))
    if row.gateways is not None:
        pairs.append(("gateways", ", ".join(row.names) or "none"))
    pairs.append(("file", row.file))
    return Fields(pairs, title=row.name)


def _where(endpoint: EndpointRow) -> str:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{host}:{endpoint.port} {endpoint.security.value}"


def _cells(row: ServerRow) -> list[Cell]:
    where = {endpoint.protocol: _where(endpoint) for endpoint in row.endpoints}
    return [row.name, row.provider, *(where.get(protocol) for protocol in Protocol), row.gateways]
