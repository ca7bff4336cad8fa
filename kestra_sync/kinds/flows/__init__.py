"""Flows: how they are read from the server, and how they are checked."""
