"""Content-addressed artifacts, identity folders and node state on disk."""
