"""Verdicts on what went wrong on this side of the wire, or at an authorization server, in the words of the error."""

from dataclasses import replace

from mailctl.diagnosis.verdict import Verdict
from mailctl.errors import ExitCode, MailctlError, NetworkError, ProtocolError, SecretError, TlsError

_OWN = (ExitCode.BUG, ExitCode.USAGE, ExitCode.CONFIG, ExitCode.STORAGE)


def in_own_words(verdict: Verdict, error: MailctlError, stage: str) -> Verdict:
    """`verdict` as it is told: what the error itself says best, it says. stage: where it was met."""
    if isinstance(error, SecretError) and verdict.cause == "secret_unavailable":
        return replace(verdict, explanation=error.message, remedy=(error.hint,) if error.hint else verdict.remedy)
    if error.exit_code in _OWN and not (error.code == "bad_argument" and verdict.cause == "bad_credentials"):
        return replace(  # the shape of the login explains the other
            verdict,
            explanation=error.message,
            remedy=(error.hint,) if error.hint else (),
            fixer="user",
            retry="after-fix",
            exit_code=error.exit_code,
        )
    if stage != "secret":
        return verdict
    return _of_token(replace(verdict, exit_code=error.exit_code) if error.cause else verdict, error)


def _of_token(verdict: Verdict, error: MailctlError) -> Verdict:
    """A token that can't be had, or would be refused. What the knowledge says of networks is about mail servers."""
    message, hint = error.message.rstrip("."), error.hint
    command = hint.partition("`")[2].partition("`")[0] or hint
    told = not hint or any(command in step for step in verdict.remedy)
    remedy = verdict.remedy if told else (hint, *verdict.remedy)
    if isinstance(error, NetworkError | TlsError | ProtocolError):
        message = f"No token could be had: {message}"
        return replace(verdict, explanation=message, remedy=(hint,) if hint else verdict.remedy)
    if verdict.cause == "unknown":
        return replace(verdict, explanation=message, remedy=remedy)
    return replace(verdict, explanation=f"{message}. {verdict.explanation}", remedy=remedy)
