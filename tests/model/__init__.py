"""Random histories of changes on both sides, the syncs in between killed or cut off: nothing is lost or doubled."""
