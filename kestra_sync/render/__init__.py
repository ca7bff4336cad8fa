"""What will be sent: the file's bytes, changed for an environment, with a map back to the file."""

from kestra_sync.render.render import (
    Rendered,
    map_namespace,
    render,
    unmap_namespace,
    with_stamps,
)

__all__ = ["Rendered", "map_namespace", "render", "unmap_namespace", "with_stamps"]
