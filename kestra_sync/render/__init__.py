"""Renders what is sent: the file's bytes, adapted to an environment, mapped back to the file."""

from kestra_sync.render.render import (
    Rendered,
    map_namespace,
    render,
    unmap_namespace,
    with_stamps,
)

__all__ = ["Rendered", "map_namespace", "render", "unmap_namespace", "with_stamps"]
