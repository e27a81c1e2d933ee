"""What `mailctl test` is to test: gateways by name or all, or bare addresses, as checks that can be carried out."""

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING

from mailctl.cli import checking
from mailctl.cli import password_options as passwords
from mailctl.cli.checking import CheckOptions, Planned
from mailctl.cli.chosen import named
from mailctl.cli.context import Context
from mailctl.domain.check import CheckJob
from mailctl.domain.record import dataclass
from mailctl.domain.secret import Secret
from mailctl.domain.server import Protocol
from mailctl.domain.when import counted
from mailctl.errors import ConfigError, MailctlError, NotFoundError, UsageError

if TYPE_CHECKING:
    from mailctl.domain.effective import EffectiveGateway
    from mailctl.domain.gateway import Gateway, SecretSource

DISCOVERY = 10.0
"""Seconds that finding the servers of a bare address may take."""


@dataclass(slots=True)
class Plan:
    """What is to be tested, with whose secrets, and what there is to say about it.

    joined: the gateways that can be tested, as they work. given: the secret of a bare address, or where it is.
    resolved: the secrets that were used, by whose they are, once the checks have run.
    """

    planned: list[Planned] = field(default_factory=list)
    gateways: "dict[str, Gateway]" = field(default_factory=dict)
    joined: "list[EffectiveGateway]" = field(default_factory=list)
    given: "dict[str, SecretSource | Secret]" = field(default_factory=dict)
    resolved: dict[str, Secret] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[MailctlError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks to be tested. login, ways, yes: for addresses."""

    names: tuple[str, ...]
    every: bool
    login: str
    ways: passwords.PasswordWays
    yes: bool


def make_plan(context: Context, asked: Asked, options: CheckOptions) -> Plan:
    """Everything that is to be tested; asks for the password of an address, and whether it may be used."""
    plan = Plan()
    gateways, addresses = _chosen(context, list(asked.names), asked.every, plan)
    if (asked.ways.given or asked.login) and not addresses:
        raise UsageError(
            "A password or --login is only given for an address that is no gateway's name",
            hint="A gateway's is changed with `mailctl gateway password set NAME`.",
        )
    for gateway in gateways:
        _plan_gateway(context, gateway, options, plan)
    for address in addresses:
        _plan_address(context, address, asked, options, plan)
    return plan


def _chosen(context: Context, names: list[str], every: bool, plan: Plan) -> "tuple[list[Gateway], list[str]]":
    """The gateways and the bare addresses that the command line means; a gateway's name wins over an address."""
    if every:
        if names:
            raise UsageError("--all and names exclude each other")
        found, broken = context.load_gateways()
        plan.errors += [ConfigError(text) for text in broken]
        enabled = [gateway for gateway in found if gateway.enabled]
        if len(enabled) < len(found):
            plan.notes.append(f"Left out, since disabled: {counted(len(found) - len(enabled), 'gateway')}.")
        if not enabled and not broken:
            raise NotFoundError("There is no gateway to test", hint="`mailctl gateway add` makes one.")
        return enabled, []
    names = named(context, names)
    addresses = [name for name in names if "@" in name and not context.config.gateway_exists(name)]
    gateways = [name for name in names if name not in addresses]
    return (context.load_gateways(gateways)[0] if gateways else []), list(dict.fromkeys(addresses))


def _plan_gateway(context: Context, gateway: "Gateway", options: CheckOptions, plan: Plan) -> None:
    plan.gateways[gateway.name] = gateway
    try:
        server = context.server(gateway.server)
        joined = context.join(gateway, server)
    except ConfigError as error:
        protocol = gateway.inbound.protocol or Protocol.IMAP
        plan.planned.append(checking.not_possible(gateway.name, gateway.email, protocol, error))
        return
    plan.joined.append(joined)
    plan.planned += checking.gateway_checks(joined, options, context.provider(server))


def _plan_address(context: Context, address: str, asked: Asked, options: CheckOptions, plan: Plan) -> None:
    from mailctl.domain.gateway import Login, LoginRole, SecretSource, SourceKind
    from mailctl.domain.provider import SignIn

    found = context.discover(address, min(DISCOVERY, options.timeout))
    for warning in found.warnings:  # before the password is asked for
        context.emitter.warn(warning)
    if not found.candidates:
        raise NotFoundError(
            f"Nothing tells where the mail of {found.domain} is served",
            hint=f"`mailctl server discover {address}` shows what was asked.",
        )
    if not context.emitter.json:
        for sentence in found.advice:
            context.emitter.note(sentence)
    hosts = ", ".join(found.unvouched)
    if hosts and not context.confirm(f"Sign in at {hosts}, which DNS alone names?", yes=asked.yes):
        raise UsageError(
            "Nothing was sent", hint=f"`mailctl server discover {address}` shows what was found.", code="no"
        )
    provider = context.provider(found.server("address"))
    needed = {provider.needs(each) for each in options.protocols or (None,)} if provider else set()
    if needed == {SignIn.OAUTH} and not asked.ways.given:  # no password could work: none is asked for
        taken = passwords.TakenPassword(SecretSource(SourceKind.OAUTH))
    else:
        taken = passwords.take_password(context, asked.ways, LoginRole.LOGIN, ask=f"Password for {address}")
    source = taken.source or SecretSource()
    plan.warnings += taken.warnings if taken.secret else ()  # of a source the check itself will tell
    plan.given[found.email] = taken.secret or source
    minimum_tls = context.config.settings.limits.minimum_tls
    plan.planned += checking.address_checks(found, Login(asked.login, source), minimum_tls, options, provider)


def resolver(context: Context, plan: Plan) -> Callable[[CheckJob], Secret]:
    """Gives the secret of a job of `plan`; raises SecretError."""
    from mailctl.domain.gateway import LoginRole

    secrets = context.secrets  # made here, in the main thread
    context.unlock_for(plan.gateways.values())

    def resolve(job: CheckJob) -> Secret:
        secret = found(job)
        plan.resolved[f"{job.gateway or job.address} {job.protocol}"] = secret
        return secret

    def found(job: CheckJob) -> Secret:
        if job.gateway:
            return secrets.for_login(plan.gateways[job.gateway], job.protocol, refused=job.token_refused)
        given = plan.given[job.address]
        return given if isinstance(given, Secret) else secrets.get(job.address, LoginRole.LOGIN, given)

    return resolve
