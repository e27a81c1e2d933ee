"""The real servers' fixtures, for the tests in this folder."""

from .support.fixtures import (
    certificates,
    dovecot,
    dovecot_programs,
    hanging_keyring,
    keyring_session,
    locked_keyring,
    mailbox,
    make_dns,
    make_dovecot,
    make_postfix,
    make_web,
    postfix,
    without_keyring,
    workspace,
)

__all__ = [
    "certificates",
    "dovecot",
    "dovecot_programs",
    "hanging_keyring",
    "keyring_session",
    "locked_keyring",
    "mailbox",
    "make_dns",
    "make_dovecot",
    "make_postfix",
    "make_web",
    "postfix",
    "without_keyring",
    "workspace",
]
