"""Sync over POP3."""
