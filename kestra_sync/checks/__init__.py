"""Verdicts on flows, as diagnostics: structure, server, references, policy."""
