"""The Maildir on the disk: names, paths, flags, files, and what a root holds."""
