"""Tests of ``action.yml``, of what it runs, and of the workflows to copy."""
