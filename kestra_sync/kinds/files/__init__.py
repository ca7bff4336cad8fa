"""Namespace files: scripts, queries and whatever else flows read by name."""
