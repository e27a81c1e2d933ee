"""mailctl connects mailboxes, proves that they work, says exactly why when they don't, and keeps them synced."""

__version__ = "0.1.0"
