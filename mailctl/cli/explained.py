"""What an authorization server's refusal means, put into the error that reports it."""

from mailctl.cli.context import Context
from mailctl.errors import MailctlError

_COMMAND = "mailctl "


def explain_refusal(context: Context, error: MailctlError) -> None:
    """Let the failure knowledge read the server's words: cause and hint of `error` become as precise as they allow.

    A hint that names a command stays, since whoever wrote it knew the case; what else has to be done comes first.
    """
    if not error.server_text or not error.code.startswith("oauth_"):
        return
    from mailctl.diagnosis.matcher import judge
    from mailctl.diagnosis.verdict import Evidence

    known = Evidence(
        "oauth",
        "secret",
        text=error.server_text,
        cause_hint=error.cause,
        exit_code=error.exit_code,
        gateway=str(error.detail.get("gateway", "")),
        facts=frozenset({"by_itself"} if error.detail.get("by_itself") else ()),
    )
    verdict = judge(known, context.knowledge)
    if verdict.cause == "unknown":
        return
    if verdict.remedy and (verdict.cause != error.cause or not error.hint):
        first = verdict.remedy[0]
        if _COMMAND not in error.hint:
            error.hint = first
        elif _COMMAND not in first:
            error.hint = f"{first} {error.hint}"
    error.cause = verdict.cause
