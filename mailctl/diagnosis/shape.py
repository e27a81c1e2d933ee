"""What can be said of a login without saying it: facts on the shape of user name and password, never their letters."""

import re

from mailctl.diagnosis.knowledge import Provider
from mailctl.domain.gateway import Login, SourceKind
from mailctl.domain.secret import BearerToken, Secret

_LONGEST = 256
_QUOTES = frozenset({"''", '""', "``", "“”", "‘’", "«»", "„“"})
"""Pairs of quotation marks that come along when a password is pasted, or written to a file for a shell."""
_OPENING = frozenset({"<", '"', "'", "(", "“", "‘"})
"""What an address begins with where more than the address was pasted."""


def login_facts(login: Login, address: str, secret: Secret, provider: Provider | None) -> frozenset[str]:
    """Names of what holds for this login; the knowledge's `facts` use them.

    login: whom and by what source. address: of the gateway, or "". provider: whose shape of app passwords to compare
    with, or None.
    """
    user = login.user
    facts = {
        "user_without_domain": "@" not in user,
        "user_non_ascii": not user.isascii(),
        "user_edge_space": user != user.strip(),
        "user_not_address": "@" in user and "@" in address and user.lower() != address.lower(),
        "user_decorated": user.strip()[:1] in _OPENING or user.lower().startswith("mailto:"),
    }
    known: frozenset[str] = frozenset()
    if isinstance(secret, BearerToken) or login.secret.kind is SourceKind.OAUTH:
        facts["oauth_used"] = True
        known = secret.facts if isinstance(secret, BearerToken) else known
    else:
        facts |= _password_facts(secret.reveal(), provider)
    return known | {name for name, holds in facts.items() if holds}


def _password_facts(value: str, provider: Provider | None) -> dict[str, bool]:
    bare = "".join(value.split())
    shaped = bool(provider and provider.app_password)
    like = bool(
        provider and shaped and len(bare) <= _LONGEST and re.fullmatch(provider.app_password, bare, re.IGNORECASE)
    )
    return {
        "secret_like_app_password": like,
        "secret_unlike_app_password": shaped and not like,
        "secret_line_end": value.endswith(("\n", "\r")),
        "secret_line_break": "\n" in value or "\r" in value,
        "secret_quoted": len(value.strip()) > 2 and value.strip()[0] + value.strip()[-1] in _QUOTES,
        "secret_edge_space": value != value.strip() and not value.endswith(("\n", "\r")),
        "secret_spaced_app_password": like and bare != value.strip(),
        "secret_non_ascii": not value.isascii(),
    }
