"""Comparing both sides fully, changing nothing."""
