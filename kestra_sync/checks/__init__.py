"""Checks of flows that return diagnostics: structure, server, references, policy."""
