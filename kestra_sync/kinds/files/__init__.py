"""Namespace files: scripts, queries and other files that flows read by name."""
