"""The kinds of resources that are deployed: flows, namespace files and key-value pairs.

What is special about a kind is in its package. Files and keys implement
:class:`kestra_sync.kinds.base.ResourceKind`.
"""
