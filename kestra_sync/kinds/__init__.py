"""The kinds of resources that are deployed: flows, namespace files and key-value pairs.

The specifics of each kind are in its package. Files and keys implement
:class:`kestra_sync.kinds.base.ResourceKind`.
"""
