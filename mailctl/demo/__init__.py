"""The embedded mail server behind `mailctl demo`."""
