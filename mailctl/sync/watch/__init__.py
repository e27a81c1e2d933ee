"""Keeping gateways synced: waiting for news of each, syncing it then, in one process for all of them."""
