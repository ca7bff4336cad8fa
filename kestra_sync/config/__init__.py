"""Finds ``kestra-sync.yaml``, validates it and merges it with flags and environment."""
