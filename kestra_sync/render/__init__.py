"""What will be sent: the file's bytes, changed for an environment, with a map back to the file."""

from kestra_sync.render.identity import render, render_all

__all__ = ["render", "render_all"]
