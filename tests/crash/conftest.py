"""The real servers' fixtures, for the tests in this folder."""

from tests.servers.support.fixtures import certificates, dovecot, dovecot_programs, mailbox, workspace

__all__ = ["certificates", "dovecot", "dovecot_programs", "mailbox", "workspace"]
