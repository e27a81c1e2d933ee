"""The words by which any program tells that something went wrong; a text without one of them reports no failure."""

import re

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_GRAVE_STEMS = (
    *("fail", "error", "refus", "reject", "denie", "invalid", "incorrect", "wrong", "unable", "block", "blacklist"),
    *("banned", "timeout", "timedout", "expired", "suspend", "deactivat", "exceed", "abort", "broken", "unexpected"),
    *("unavailable", "problem", "defer", "bounce", "forbidden", "unauthori", "unsupported", "mismatch", "untrusted"),
    *("crash", "unreachable", "restrict", "insufficient", "malformed", "violat", "corrupt", "throttl", "temporar"),
    *("phish", "revoke", "insecure", "unsafe", "illegal", "conflict", "undeliver", "greylist", "exception"),
    *("unrouteable", "unroutable", "unrecogni", "denying", "overquota", "fehl", "ungültig", "abgelehnt", "échec"),
    *("échou", "impossib", "refus", "invalide", "erreur", "fallo", "falló", "incorrect", "rechaz", "errore", "rifiut"),
    *("inválid", "não foi", "ошиб", "недоступ", "отказ", "невер", "mislukt", "ongeldig", "nieprawid", "błąd"),
)
_GRAVE = frozenset(
    """
    err deny denies denied bad wrong ban can't cannot couldn't won't doesn't didn't isn't wasn't aren't traceback fatal
    panic lost kill killed reset stuck hang hangs quota spam virus unverified hostile aadsts dropped nicht nie
    """.split()  # noqa: SIM905 - a list of a hundred strings is harder to read
)
_SLIGHT_STEMS = (
    "unknown",
    "disabled",
    "lock",
    "limit",
    "missing",
    "requir",
    "disconnect",
    "discard",
    "inactiv",
    "expir",
)
_SLIGHT = frozenset(
    """
    not no none never nothing neither without lack lacks lacking lacked out must warn warning warnings alert help why
    close closed closing drop stop stops stopped slow full over too again later try please attempts bye issue issues
    """.split()  # noqa: SIM905
)
_ELSEWHERE = re.compile(
    r"\b[Bb]ut (?:not|no|could)\b"
    r"|失败|失敗|错误|エラー|拒|無法|无法|タイムアウト|できません|超时|不正|無効|过期|не удалось|невозможно"
)
_HARMLESS = re.compile(
    r"""
    \b(?:no|0|without|zero)\ (?:\w+\ )?(?:errors?|problems?|failures?|issues?|warnings?|failed|rejected)\b
    | \b(?:errors?|failed|failures|rejected|nb_errors)\b["']?\ ?[:=]\ ?(?:0\b|\[\s*\]|none\b|false\b|null\b)
    | \b0/\d+\ nb_errors/max_errors | (?<!but\ )\bno\ (?:new\ )?(?:mail|messages)\b | \bnot\ retrieved\ \(seen\)
    | \bpassed\ ca\ verification,\ failed\ host\ verification\ \(using\ host\ localhost\b
    | \bor\ any\ later\ version(?:\ \(with\ an\ openssl\ exception\))?
    | \(core\ dumps\ disabled\) | \b(?:conn(?:ection)?_?)?timeout[=:]\ ?\d+
    | \bno\ delivery\ notification\ was\ sent | \baction=pass\b | \bkey\ not\ secure\b
    | \bclient\ certificate\ (?:not\ requested|set|types?|ca\ names) | \bnewer\ than\ headers
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Words of trouble in what says that there is none."""


def trouble(text: str) -> set[str]:
    """The words of trouble in `text`, in lower case."""
    found = set(_WORD.findall(text.lower()))
    return {word for word in found if word in _SLIGHT or word.startswith(_SLIGHT_STEMS)} | grave(text)


def grave(text: str) -> set[str]:
    """Those of them that hardly stand in a text of success."""
    found = set(re.findall(r"[^\W\d_]+(?:'[a-z]+)?", text.lower()))
    return {word for word in found if word in _GRAVE or word.startswith(_GRAVE_STEMS)} | set(_ELSEWHERE.findall(text))


def harmless_gone(text: str) -> str:
    """`text` without what only looks like trouble, such as `0 errors`."""
    return _HARMLESS.sub("fine", text)
