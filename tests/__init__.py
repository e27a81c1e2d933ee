"""mailctl's tests."""
