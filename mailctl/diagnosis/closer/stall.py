"""A server that stops in the middle of a conversation, which tells more than silence from the start. Pure."""

from dataclasses import replace

from mailctl.diagnosis.verdict import Verdict
from mailctl.domain.check import CheckJob

_AT = {
    "capability": "what it can do",
    "authenticate": "the sign-in",
    "select": "opening the INBOX",
    "stat": "opening the mailbox",
    "folders": "looking at the folders",
    "mail": "the sender's address",
    "rcpt": "the recipient's address",
    "relay": "an address elsewhere",
    "find": "looking for the message",
    "remove": "taking the message out again",
}
"""The stages of a server that has spoken its protocol already, and what it was asked in them."""
_MEANING = (
    "{host} greeted, and answered until it came to {what}, at which it said nothing more in the time allowed. "
    "So host and port are right; what stands behind the service is slow or stuck."
)
_HELD_BACK = "Run it once more with a larger --timeout: directories can be slow, and wrong passwords delay a sign-in."
_SLOW = "Try again in a few minutes, with a larger --timeout if it is only slow."
_TELL = "If it stays, tell whoever runs {host} that the service answers, and hangs at {what}."


def stalled(verdict: Verdict, job: CheckJob, stage: str, code: str) -> Verdict:
    """`verdict` as it is to be told where the server fell silent at `stage`. code: of the error."""
    what = _AT.get(stage)
    if verdict.cause != "tcp_timeout" or what is None or code == "unfinished":  # which it told itself
        return verdict
    first = _HELD_BACK if stage == "authenticate" else _SLOW
    told = (_MEANING, first, _TELL)
    meaning, *steps = (text.replace("{host}", job.endpoint.host).replace("{what}", what) for text in told)
    return replace(verdict, explanation=meaning, remedy=tuple(steps))
