"""The states of an execution, and which of them are final."""

from __future__ import annotations

FINAL = frozenset(
    {"SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "SKIPPED", "RETRIED", "RESUBMITTED"}
)
WAITING_FOR_SOMEBODY = frozenset({"PAUSED", "BREAKPOINT"})
"""It may continue forever unless a person acts."""
