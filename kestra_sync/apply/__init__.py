"""Applies a plan: besides smoke tests, the only stage that changes anything on the server."""
