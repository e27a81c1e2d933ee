"""`mailctl test --report`: where reports go, what they are made of, and the look for secrets before one is written."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mailctl.cli.report_file import check_target, write_whole
from mailctl.domain.gateway import SourceKind
from mailctl.errors import SafetyError, SecretError, UsageError

if TYPE_CHECKING:
    from mailctl.cli.check_plan import Plan
    from mailctl.cli.checking import Checks
    from mailctl.cli.context import Context
    from mailctl.domain.report import Report
    from mailctl.domain.secret import Secret

_FORMS = {".html": "html", ".htm": "html", ".md": "markdown", ".json": "json"}
_MARKS = {
    "html": ('<meta name="generator" content="mailctl ',),
    "markdown": ("<!-- mailctl report -->",),
    "json": ('"schema": "mailctl.report/',),
}
"""What an older report begins with; such a file is replaced, any other is not."""


def report_targets(names: Sequence[str]) -> list[Path]:
    """The files that `--report` names, each once. UsageError or StorageError for one that no report can become."""
    targets = list(dict.fromkeys(Path(os.path.expanduser(name)) for name in names))  # shells leave --report=~/x alone
    for path in targets:
        if path.suffix.lower() not in _FORMS:
            raise UsageError(
                f"--report {str(path)!r}: the name must end in .html, .md or .json, which says what is written"
            )
        check_target(path, _MARKS[_FORMS[path.suffix.lower()]])
    return targets


def write_reports(context: "Context", targets: Sequence[Path], checks: "Checks", plan: "Plan") -> None:
    """Write the report on `checks` to each of `targets`. SafetyError if a secret stands in it; StorageError."""
    from mailctl.diagnosis.report import betrayed, build, from_outside

    report = build(checks.checks, checks.probes, plan.joined, _versions(context, plan), context.now())
    documents = {path: document(report, _FORMS[path.suffix.lower()]) for path in targets}
    # both before other secrets are known: from then on they would be masked. JSON has no escapes that hide one
    searched, outside = [*documents.values(), document(report, "json")], from_outside(report)
    found = betrayed(outside, searched, _secrets(context, plan))
    if found:
        raise SafetyError(
            f"The report was not written: the password of {found[0]} would stand in it",
            hint="Look at what the server says with `mailctl test --trace`; a server that knows the password shows it.",
            code="secret_in_report",
        )
    for path, text in documents.items():
        check_target(path, _MARKS[_FORMS[path.suffix.lower()]])
        write_whole(path, text)


def document(report: "Report", form: str) -> str:
    """The report as text. form: "html", "markdown" or "json"."""
    if form == "html":
        from mailctl.output.report_html import render as html

        return html(report)
    if form == "markdown":
        from mailctl.output.report_markdown import render as markdown

        return markdown(report)
    from mailctl.diagnosis.report import masked
    from mailctl.output.json import dump, to_plain

    return dump(masked(to_plain(report)), indent=2) + "\n"


def _versions(context: "Context", plan: "Plan") -> dict[str, str]:
    """What took part, with its version; of the keyring, which kind it is."""
    import platform

    from mailctl import __version__

    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    with suppress(OSError):  # systems without an os-release file
        system = f"{platform.freedesktop_os_release().get('PRETTY_NAME', '')}, {system}".removeprefix(", ")
    return {
        "mailctl": __version__,
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "TLS": context.tls_library(),
        "Platform": system,
        "Keyring": _keyring(context, plan) or "not used",
    }


def _keyring(context: "Context", plan: "Plan") -> str:
    """The kind of keyring that the gateways' passwords are in, "" if in none."""
    held = [
        (joined, role, login)
        for joined in plan.joined
        for role, login in joined.gateway.logins.items()
        if login.secret.kind is SourceKind.KEYRING
    ]
    for joined, role, login in held:
        if any(name.startswith(f"{joined.name} ") for name in plan.resolved):  # else a person might be asked again
            return context.secrets.check(joined.name, role, login.secret).backend
    return "not available" if held else ""


def _secrets(context: "Context", plan: "Plan") -> "dict[str, Secret]":
    """The secrets of this run, and every other that can be had without asking anybody or running anything, by whose."""
    found = dict(plan.resolved)
    readable = [SourceKind.ENV, SourceKind.FILE]
    if context.secrets_key and context.secrets_key.kind in readable:
        readable.append(SourceKind.ENCRYPTED)
    for gateway in context.load_gateways()[0]:
        for role, login in gateway.logins.items():
            if login.secret.kind in readable:
                with suppress(SecretError):  # what can't be had can't be looked for
                    found[f"{gateway.name} {role}"] = context.secrets.get(gateway.name, role, login.secret)
    return found
