"""`mailctl gateway list`: imports as little as can be, since scripts call it in loops."""

from fnmatch import fnmatchcase
from typing import Annotated, Any, NamedTuple

import typer

from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.effective import EffectiveGateway, effective
from mailctl.domain.gateway import Gateway
from mailctl.domain.names import nearest
from mailctl.errors import ConfigError, UsageError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Cell, Styled, Table, columns


class GatewayRow(NamedTuple):
    """A gateway. login: user name. protocols: those that it uses. default: whether it is the default gateway.

    problem: why it can't be used, "" if it can.
    """

    name: str
    email: str
    server: str
    owner: str
    shared: bool
    login: str
    protocols: list[str]
    enabled: bool
    order: int
    default: bool
    problem: str


RESULTS: dict[str, Any] = {"gateway list": list[GatewayRow]}
FILTERS = ("name", "owner", "address", "server", "login", "port", "enabled")
app = App()


def gateway_row(gateway: Gateway, joined: EffectiveGateway | None, problem: str, *, default: bool) -> GatewayRow:
    """The row of a gateway. joined: None if its server is missing or broken, as `problem` says; it speaks nothing."""
    return GatewayRow(
        name=gateway.name,
        email=gateway.email,
        server=gateway.server,
        owner=gateway.owner,
        shared=gateway.shared,
        login=gateway.login.user,
        protocols=[protocol.value for protocol in joined.protocols] if joined else [],
        enabled=gateway.enabled,
        order=gateway.order,
        default=default,
        problem=problem,
    )


@app.verb("list")
def list_gateways(
    ctx: typer.Context,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=GLOB", help=f"Only those that match; repeatable. Fields: {', '.join(FILTERS)}."),
    ] = None,
) -> None:
    """The gateways, in their order."""
    context = Context.of(ctx)
    filters = [_filter(text) for text in where or []]
    gateways, warnings = context.load_gateways()
    default = context.config.default_gateway
    broken: dict[str, list[str]] = {}
    rows = []
    for gateway in gateways:
        joined, problem = None, ""
        try:
            joined = effective(gateway, context.server(gateway.server), context.config.settings)
        except ConfigError as error:
            problem = error.message
            broken.setdefault(problem, []).append(gateway.name)
        if all(_matches(gateway, joined, field, glob) for field, glob in filters):
            rows.append(gateway_row(gateway, joined, problem, default=gateway.name == default))
    names = ("name", "email", "server", "owner", "protocols", "enabled", "order")
    titles = columns(*names, right=("order",), fold=("email", "owner", "protocols"))
    cells: list[list[Cell]] = [
        [
            Styled(row.name, "strong" if row.default else ""),
            row.email,
            Styled(row.server, "bad" if row.problem else ""),
            f"{row.owner} (shared)".strip() if row.shared else row.owner,
            Styled("broken", "bad", plain="") if row.problem else ",".join(row.protocols),
            row.enabled,
            row.order,
        ]
        for row in rows
    ]
    empty = "No gateway matches." if gateways else "No gateways; `mailctl gateway add` makes one."
    for problem, theirs in broken.items():
        more = f" and {len(theirs) - 5} more" if len(theirs) > 5 else ""
        warnings.append(f"{problem}; so this can't be used: {', '.join(theirs[:5])}{more}")
    context.emit(Outcome(rows, Table(titles, cells, empty=empty), warnings=warnings))


def _filter(text: str) -> tuple[str, str]:
    field, equals, glob = text.partition("=")
    if equals and field in FILTERS:
        return field, glob.lower()
    match = nearest(field, FILTERS)
    raise UsageError(
        f"--where {text!r} is not FIELD=GLOB",
        hint=f"Did you mean {match}=…?" if match and match != field else f"FIELD is one of {', '.join(FILTERS)}.",
    )


def _matches(gateway: Gateway, joined: EffectiveGateway | None, field: str, glob: str) -> bool:
    """Whether one of the values that the field means matches; case doesn't matter."""
    match field:
        case "address":
            values = [gateway.email]
        case "login":
            values = [login.user for login in gateway.logins.values()]
        case "port":
            values = [str(endpoint.port) for endpoint in joined.endpoints.values()] if joined else []
        case "enabled":
            values = ["true", "yes"] if gateway.enabled else ["false", "no"]
        case _:
            values = [getattr(gateway, field)]
    return any(fnmatchcase(value.lower(), glob) for value in values)
