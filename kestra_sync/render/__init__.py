"""What will be sent: the file's bytes, changed for an environment, with a map back to the file."""

from kestra_sync.render.render import Rendered, render

__all__ = ["Rendered", "render"]
