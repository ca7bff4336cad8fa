"""Smoke tests: run what was deployed, and say whether it works.

:func:`kestra_sync.smoke.runner.run_smoke` is where to begin.
"""
