"""Provider presets (data) and discovery of servers from an address."""
