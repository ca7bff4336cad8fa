"""All that knows HTTP: the public client, and what lies beneath it.

This module imports nothing, so that :mod:`kestra_sync.client.errors` stays cheap to import.
"""
