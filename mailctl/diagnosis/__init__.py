"""The check ladder, the failure knowledge, reports."""
