"""Secret sources; the only room that touches a keyring."""
