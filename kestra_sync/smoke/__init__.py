"""Smoke tests: run what was deployed, and say whether it works."""

from __future__ import annotations

from kestra_sync.smoke.runner import run_smoke

__all__ = ["run_smoke"]
