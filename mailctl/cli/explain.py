"""`mailctl explain`: what an error text or a whole log means, without asking anybody."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.cli.verdict_view import verdict_view
from mailctl.diagnosis.explain import Explanation, about, explain
from mailctl.diagnosis.verdict import Evidence
from mailctl.domain.names import nearest
from mailctl.errors import NotFoundError, StorageError, UsageError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Fields, Stack, Table, View, columns

app = App()
RESULTS: dict[str, Any] = {"explain": Explanation}
LARGEST = 4 * 1024 * 1024
"""Octets of a log that are read."""
_STAGES = (
    *("dns", "tcp", "tls", "greeting", "ehlo", "starttls", "capability", "authenticate"),
    *("select", "folders", "stat", "mail", "rcpt", "relay", "data", "find"),
)


class Layer(StrEnum):
    """Whose words a text may be."""

    IMAP = "imap"
    POP3 = "pop3"
    SMTP = "smtp"
    OAUTH = "oauth"
    TLS = "tls"
    DNS = "dns"
    TCP = "tcp"


class Encryption(StrEnum):
    """How a connection was to be encrypted."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


@app.verb("explain", context_settings={"ignore_unknown_options": True})  # a text may begin with -ERR
def command(
    ctx: typer.Context,
    text: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT|FILE|-]", help="An error text, a cause's name, a log file; -: read it from stdin."
        ),
    ] = None,
    protocol: Annotated[Layer | None, typer.Option(help="Whose words these are, if you know.")] = None,
    provider: Annotated[str, typer.Option(metavar="PRESET", help="The provider, as `server presets` names it.")] = "",
    host: Annotated[str, typer.Option(metavar="HOST", help="The host that was connected to.")] = "",
    port: Annotated[int, typer.Option(metavar="PORT", help="The port that was connected to.")] = 0,
    security: Annotated[Encryption | None, typer.Option(help="How the connection was to be encrypted.")] = None,
    stage: Annotated[str, typer.Option(metavar="STAGE", help="The stage that failed, as `test` names it.")] = "",
) -> None:
    """Say what an error text means, who can fix it and how; of a long log, the lines that matter.

    Nothing is sent anywhere. Passwords and tokens in the text aren't shown again. What nothing known fits is called
    unknown.
    """
    context = Context.of(ctx)
    known = Evidence(
        protocol=protocol.value if protocol else "",
        stage=_stage(stage),
        provider=_provider(context, provider),
        host=host,
        port=_port(port),
        security=security.value if security else "",
    )
    words = " ".join(_words(ctx, text or [])).strip()
    notes = []
    if words in context.knowledge.causes:
        found = about(words, known, context.knowledge)
    else:
        found = explain(_given(context, words), known, context.knowledge)
        match = nearest(words, context.knowledge.causes) if re.fullmatch("[a-z0-9]+(_[a-z0-9]+)+", words) else None
        notes = [f"There is no cause {words!r}; did you mean {match!r}?"] if match else []
    context.emit(Outcome(found, _view(found), _record(found), notes=notes))


def _words(ctx: typer.Context, text: list[str]) -> list[str]:
    """The words of the text; one that looks like an option but is none is an error, since it is mistyped."""
    for word in text:
        if re.fullmatch(r"--[a-z][a-z0-9-]*(=.*)?", word):
            known = [name for parameter in ctx.command.params for name in parameter.opts if name.startswith("--")]
            match = nearest(word.partition("=")[0], known)
            raise UsageError(f"No such option {word!r}", hint=f"Did you mean {match!r}?" if match else "")
    return text


def _stage(stage: str) -> str:
    if stage and stage not in _STAGES:
        match = nearest(stage, _STAGES)
        more = f"Did you mean {match!r}?" if match else f"There are: {', '.join(_STAGES)}."
        raise UsageError(f"There is no stage {stage!r}", hint=more)
    return stage


def _port(port: int) -> int:
    if not 0 <= port <= 65535:
        raise UsageError("--port must be 1 to 65535")
    return port


def _provider(context: Context, name: str) -> str:
    if not name or name.lower() in context.knowledge.providers:
        return name.lower()
    from mailctl.providers.catalog import load

    return load(name).id


def _given(context: Context, words: str) -> str:
    """The text to explain: what was typed, or what the file or stdin holds that it stands for."""
    if words not in ("", "-"):
        file = _file(words)
        return _decoded(_read(file), str(file)) if file else words
    if not words and context.stdin.isatty():
        raise UsageError(
            "There is no text to explain",
            hint="Give it in quotes, name a log file, or pipe it in: `mailctl explain -`.",
        )
    binary = getattr(context.stdin, "buffer", None)
    if binary is None:
        data = context.stdin.read(LARGEST + 1).encode("utf-8", "surrogatepass")
    else:
        data = binary.read(LARGEST + 1)
    return _decoded(data, "stdin")


def _file(words: str) -> Path | None:
    """The file that the words name, or None if they are a text."""
    if "\n" in words or "\0" in words or len(words) > 4096:
        return None
    path = Path(words)
    try:
        if path.is_dir():
            raise UsageError(f"{words} is a folder", hint="Name one log file, or pipe the text in.")
        if path.exists():
            return path
    except OSError:  # no name that a file could have
        return None
    if re.fullmatch(r"(?:/|\./|\.\./)\S+|\S+\.(?:log|txt)", words):
        raise NotFoundError(
            f"There is no file {words}", hint="Put a text that is no file's name in quotes with its rest."
        )
    return None


def _read(file: Path) -> bytes:
    """Up to one octet more than is allowed; a pipe (`<(journalctl -u postfix)`) is waited for."""
    try:
        with file.open("rb") as opened:
            return opened.read(LARGEST + 1)
    except OSError as error:
        raise StorageError(f"{file} can't be read: {error.strerror}", code="unreadable") from error


def _decoded(data: bytes, where: str) -> str:
    """`data` as text. Raises UsageError if it is nothing, too much, or no text."""
    if not data.strip():
        raise UsageError(f"There is no text to explain: {where} is empty")
    if len(data) > LARGEST:
        raise UsageError(
            f"{where} is larger than 4 MiB",
            hint="Cut out the part around the failure: `tail -n 2000 FILE | mailctl explain -`.",
        )
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):  # what Windows calls Unicode
        return data.decode("utf-16", "replace")
    if b"\0" in data:
        raise UsageError(f"{where} is no text: it holds NUL octets")
    return data.decode("utf-8-sig", "replace")


def _view(found: Explanation) -> View:
    block = verdict_view(found, found.line, "read from")
    if found.cause in ("unknown", "no_failure"):  # nobody is to fix what isn't known to be broken
        block = Fields([pair for pair in block.pairs if pair[0] != "who"])
    parts: list[View] = [block]
    if found.examples:
        parts.append(Fields([("shows as", example) for example in found.examples]))
    return Stack(parts)


def _record(found: Explanation) -> Table:
    titles = ("cause", "confidence", "fixer", "retry", "explanation", "step", "doc_url", "line")
    first = found.remedy[0] if found.remedy else ""
    row = [found.cause, found.confidence, found.fixer, found.retry, found.explanation, first, found.doc_url, found.line]
    return Table(columns(*titles), [row])
