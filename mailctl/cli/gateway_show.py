"""`mailctl gateway show`, and a gateway as people and programs see it in full."""

from dataclasses import fields
from typing import Annotated, Any

import typer

from mailctl.cli.chosen import named
from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.effective import EffectiveGateway
from mailctl.domain.gateway import Gateway, Inbound, Outbound, SecretSource, SourceKind
from mailctl.domain.record import dataclass
from mailctl.domain.units import seconds_text, size_text
from mailctl.output.emitter import Outcome
from mailctl.output.view import Cell, Fields


@dataclass(frozen=True, slots=True)
class GatewayDetail:
    """A gateway in full. gateway: what its file says (null: not set there); inbound, outbound: what holds in the end.

    protocols: those that it uses. maildir: where its mail lies. default: whether it is the default gateway.
    """

    name: str
    gateway: Gateway
    inbound: Inbound
    outbound: Outbound
    protocols: list[str]
    maildir: str
    default: bool
    file: str


RESULTS: dict[str, Any] = {"gateway show": GatewayDetail}
app = App()


@app.verb()
def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[GATEWAY]", help="The gateway; the default one if left out.")] = "",
) -> None:
    """One gateway in full."""
    context = Context.of(ctx)
    (name,) = named(context, [name] if name else [])
    found = detail(context, context.gateway(name))
    context.emit(Outcome(found, fields_of(found)))


def detail(context: Context, joined: EffectiveGateway) -> GatewayDetail:
    """A gateway, saved or not, in full."""
    gateway = joined.gateway
    return GatewayDetail(
        name=gateway.name,
        gateway=gateway,
        inbound=joined.inbound,
        outbound=joined.outbound,
        protocols=[protocol.value for protocol in joined.protocols],
        maildir=str(context.maildir(gateway)),
        default=context.config.default_gateway == gateway.name,
        file=str(context.config.gateway_path(gateway.name)),
    )


def fields_of(found: GatewayDetail, *, short: bool = False) -> Fields:
    """A gateway for people. short: what tells it from others, and where its password is; the rest `show` has."""
    gateway = found.gateway
    logins: list[tuple[str, Cell]] = []
    for role, login in gateway.logins.items():
        logins += [(f"{role.value}.user", login.user), (f"{role.value}.secret", source_text(login.secret))]
    pairs: list[tuple[str, Cell]] = [
        ("name", gateway.name),
        ("server", gateway.server),
        ("email", gateway.email),
        ("protocols", ", ".join(found.protocols) or "none"),
        ("enabled", gateway.enabled),
    ]
    if short:
        return Fields([*pairs[:4], *logins, ("file", found.file)], title=gateway.name)
    optional = ("owner", "shared", "display_name", "reply_to", "allow_plaintext")
    pairs += [(key, value) for key in optional if (value := getattr(gateway, key))]
    pairs += [("order", gateway.order), ("default", found.default), *logins]
    for table, values in (("inbound", found.inbound), ("outbound", found.outbound)):
        if not values.enabled:
            pairs.append((f"{table}.enabled", False))
            continue
        for each in fields(values):
            value = found.maildir if each.name == "maildir" else getattr(values, each.name)
            if value is not None:
                pairs.append((f"{table}.{each.name}", _cell(each.name, value)))
    pairs.append(("file", found.file))
    return Fields(pairs, title=gateway.name)


def source_text(source: SecretSource) -> str:
    """Where a secret is, for people: `keyring`, `command: pass mail/x`."""
    import shlex

    if source.kind is SourceKind.OAUTH and source.argument:
        name, store = source.argument
        return f"oauth{f': {name}' if name else ''}{', tokens in the encrypted file' if store != 'keyring' else ''}"
    return f"{source.kind.value}: {shlex.join(source.argument)}" if source.argument else source.kind.value


def _cell(name: str, value: Any) -> Cell:
    if name in ("max_size", "attachment_limit"):
        return size_text(value)
    if name == "interval":
        return seconds_text(value)
    return ", ".join(value) if isinstance(value, tuple) else value
