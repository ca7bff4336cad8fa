"""The rules of the policy, one module each. They are listed here, in the order of the docs."""

from __future__ import annotations

from typing import Any

from kestra_sync.checks.policy_rules import (
    description,
    id_pattern,
    namespace,
    path,
    read_only,
    required_label,
)
from kestra_sync.checks.policy_rules.base import PolicyRule

POLICY_RULES: tuple[PolicyRule[Any], ...] = (
    required_label.RULE,
    read_only.RULE,
    namespace.RULE,
    id_pattern.RULE,
    path.RULE,
    description.RULE,
)
