"""Mirror mode: what changes on one side changes on the other; a conflict keeps data."""
