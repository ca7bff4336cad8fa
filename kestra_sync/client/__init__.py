"""The HTTP layer: the public client and its internals.

This module imports nothing, so that :mod:`kestra_sync.client.errors` stays cheap to import.
"""
