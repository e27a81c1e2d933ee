"""Secret sources: the keyring, a command, a variable, a file. `SecretStore` is the way in."""
