"""Servers, gateways and settings as files: paths, schema, load, write. Knows `domain` and `errors` only."""
