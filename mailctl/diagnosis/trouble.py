"""The words by which any program tells that something went wrong; a text without one of them reports no failure."""

import re

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_STEMS = (
    *("fail", "error", "refus", "reject", "denie", "invalid", "incorrect", "wrong", "unable", "block", "blacklist"),
    *("banned", "timeout", "timedout", "unknown", "expir", "disabled", "lock", "suspend", "deactivat", "exceed"),
    *("limit", "abort", "broken", "unexpected", "unavailable", "problem", "issue", "defer", "bounce", "missing"),
    *("requir", "forbidden", "unauthori", "unsupported", "mismatch", "untrusted", "crash", "unreachable"),
    *("restrict", "insufficient", "malformed", "violat", "corrupt", "throttl", "temporar", "logindisabled"),
    *("disconnect", "discard", "phish", "revoke", "insecure", "unsafe", "illegal", "conflict", "undeliver"),
    *("greylist", "inactiv", "exception", "unrouteable", "unroutable", "unrecogni", "denying", "overquota"),
)
"""What a word of trouble begins with."""
_WORDS = frozenset(
    """
    err deny denies denied bad wrong ban not no none never nothing neither without lack lacks lacking lacked out must
    can't cannot couldn't won't doesn't didn't isn't wasn't aren't traceback fatal panic warn warning alert help why
    lost close closed closing kill killed reset drop dropped stop stops stopped stuck hang hangs slow full quota over
    too again later try please attempts spam virus bye aadsts unverified hostile
    """.split()  # noqa: SIM905 - a list of a hundred strings is harder to read
)


def trouble(text: str) -> set[str]:
    """The words of trouble in `text`, in lower case."""
    return {word for word in set(_WORD.findall(text.lower())) if word in _WORDS or word.startswith(_STEMS)}
