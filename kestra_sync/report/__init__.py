"""Renders results for people and machines. Nothing here writes to a stream."""
