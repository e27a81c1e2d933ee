"""Plan (pure), Maildir, state, engine."""
