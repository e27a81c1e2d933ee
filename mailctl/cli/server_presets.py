"""`mailctl server presets [ID]`: the providers that mailctl knows, all in a table or one in full."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.provider import OAuthService, Provider, SignIn, Status, UsernameForm, sign_in_advice, unusable
from mailctl.domain.record import dataclass
from mailctl.domain.server import Endpoint, Protocol
from mailctl.errors import UsageError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Cell, Fields, Lines, Stack, Styled, Table, View, columns

app = App()


@dataclass(frozen=True, slots=True)
class PresetRow:
    """A preset in short. Endpoints as `HOST:PORT`, "" where the provider has none."""

    id: str
    name: str
    aliases: tuple[str, ...]
    status: Status
    sign_in: SignIn
    imap: str
    pop3: str
    smtp: str


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset in full. sign_in: what is needed. unusable: why no server can be made of it as it is, or ""."""

    provider: Provider
    sign_in: SignIn
    advice: tuple[str, ...]
    unusable: str
    oauth: OAuthService | None


RESULTS: dict[str, Any] = {"server presets": list[PresetRow] | Preset}

_NEEDS = {
    SignIn.PASSWORD: "password",
    SignIn.APP_PASSWORD: "app password",
    SignIn.MAIL_PASSWORD: "mailbox password",
    SignIn.AUTH_CODE: "authorization code",
    SignIn.API_KEY: "API key",
    SignIn.BRIDGE_PASSWORD: "bridge password",
    SignIn.OAUTH: "OAuth",
    SignIn.NONE: "none",
}

_USERNAMES = {
    UsernameForm.EMAIL: "the e-mail address",
    UsernameForm.LOCAL_PART: "the part of the address before @",
    UsernameForm.OTHER: "issued by the provider",
}


@app.verb()
def presets(
    ctx: typer.Context,
    preset: Annotated[str | None, typer.Argument(metavar="[PRESET]", help="Show this one in full.")] = None,
    search: Annotated[str, typer.Option(metavar="TEXT", help="Only those with TEXT in a name, domain or host.")] = "",
) -> None:
    """The providers that mailctl knows: hosts, how to sign in, limits and quirks."""
    from mailctl.providers import catalog

    context = Context.of(ctx)
    if preset and search:
        raise UsageError("--search looks through all presets; leave out the id or the option")
    if preset:
        provider = catalog.load(preset)
        oauth = catalog.load_oauth(provider.oauth) if provider.oauth else None
        full = Preset(provider, provider.needs(), sign_in_advice(provider), unusable(provider), oauth)
        context.emit(Outcome(full, _page(full)))
        return
    rows = [_row(each) for each in (catalog.search(search) if search else catalog.load_all())]
    context.emit(Outcome(rows, _table(rows), notes=_closing(rows)))


def _row(provider: Provider) -> PresetRow:
    hosts = {protocol: str(provider.endpoint(protocol) or "") for protocol in Protocol}
    return PresetRow(provider.id, provider.name, provider.aliases, provider.status, provider.needs(), **hosts)


def _table(rows: list[PresetRow]) -> Table:
    return Table(
        columns("id", "name", "sign-in", "imap", "pop3", "smtp", fold=("name", "imap", "pop3", "smtp")),
        [[Styled(r.id, "strong"), r.name, _need(r.sign_in), r.imap, r.pop3, r.smtp] for r in rows],
        empty="No preset has that in a name, domain or host. `mailctl server discover ADDRESS` asks the domain itself.",
    )


def _closing(rows: list[PresetRow]) -> list[str]:
    return [f"`mailctl server presets {rows[0].id}` shows one in full."] if rows else []


def _need(sign_in: SignIn) -> Styled:
    return Styled(_NEEDS[sign_in], "" if sign_in is SignIn.PASSWORD else "warn")


def _page(preset: Preset) -> View:
    provider = preset.provider
    parts: list[View] = [Fields(list(_facts(provider)), title=provider.name)]
    parts += [
        Lines([Styled(title, "strong"), *(f"- {text}" for text in texts)])
        for title, texts in (
            ("Signing in", (*preset.advice, *_other_ways(preset))),
            ("Notes", provider.notes if provider.endpoints else provider.notes[1:]),
            ("Quirks", provider.quirks),
            ("Not confirmed", provider.unverified),
            ("Sources", provider.links),
        )
        if texts
    ]
    return Stack(parts)


def _facts(provider: Provider) -> Iterator[tuple[str, Cell]]:
    yield "id", provider.id
    if provider.aliases:
        yield "also called", ", ".join(provider.aliases)
    yield "status", f"ends on {provider.ends}" if provider.ends else provider.status.value
    yield "sign-in", _need(provider.needs())
    for protocol, endpoints in provider.endpoints.items():
        for number, endpoint in enumerate(endpoints):
            yield (protocol.upper() if not number else f"{protocol.upper()} or"), _endpoint(endpoint)
    if provider.endpoints:
        yield "user name", provider.username_note or _USERNAMES[provider.username]
    domains = provider.domains
    if domains:
        more = f" and {len(domains) - 8} more" if len(domains) > 8 else ""
        yield "domains", ", ".join(domains[:8]) + more
    if provider.files_sent_mail:
        yield "sent mail", "filed by the server itself"
    for name in provider.limits.__dataclass_fields__:
        value = getattr(provider.limits, name)
        if value is not None:
            yield _limit(name), value
    if provider.endpoints:
        yield "how sure", f"hosts {provider.endpoints_confidence}, sign-in {provider.sign_in_confidence}"
    yield "as of", provider.as_of


def _endpoint(endpoint: Endpoint) -> str:
    return f"{endpoint} ({endpoint.security})"


def _limit(name: str) -> str:
    """`imap_download_mb_per_day` → `IMAP download MB per day`."""
    words = {"imap": "IMAP", "pop3": "POP3", "smtp": "SMTP", "mb": "MB"}
    return " ".join(words.get(word, word) for word in name.split("_"))


def _other_ways(preset: Preset) -> Iterator[str]:
    if preset.oauth and preset.oauth.registration:
        yield f"OAuth: {preset.oauth.registration} `mailctl auth setup {preset.oauth.id}` walks through it."
        if preset.oauth.registration_url:
            yield f"On registering: {preset.oauth.registration_url}"
