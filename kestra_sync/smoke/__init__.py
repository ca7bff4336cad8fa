"""Smoke tests: run the deployed flows and check the results.

The entry point is :func:`kestra_sync.smoke.runner.run_smoke`.
"""
