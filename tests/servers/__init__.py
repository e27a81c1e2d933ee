"""Tests on real servers, and the servers themselves (`support`)."""
