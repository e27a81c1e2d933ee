"""IMAP."""
