"""Plan and apply for Kestra flows, straight from Git."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kestra_sync.version import __version__

if TYPE_CHECKING:
    from kestra_sync.client.client import KestraClient

__all__ = ["KestraClient", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the client on first use: ``--help`` needs no HTTP library (PEP 562)."""
    if name == "KestraClient":
        from kestra_sync.client.client import KestraClient

        return KestraClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
