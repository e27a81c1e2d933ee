"""Who can fix a failure and whether trying again helps, in words for people."""

_FIXERS = {
    "user": "you can fix it",
    "admin": "the administrator must fix it",
    "provider": "the provider must fix it",
}
_RETRIES = {
    "yes": "trying again helps",
    "no": "trying again doesn't help",
    "after-fix": "try again once it is fixed",
    "later": "try again later",
}


def who(fixer: str, retry: str, confidence: str = "") -> str:
    """`you can fix it; try again once it is fixed`, of the words that reports hold; "" if both are unknown.

    confidence: in the cause; where it is low, nobody is told for certain to be the one.
    """
    fixes = _FIXERS.get(fixer, fixer)
    if confidence == "low" and fixes:
        fixes = f"perhaps {fixes.replace('must', 'has to')}"
    return "; ".join(part for part in (fixes, _RETRIES.get(retry, retry)) if part)
