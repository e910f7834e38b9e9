"""Kinds of addresses."""

LOCAL = ("", "file", "local", "memory")
"""What lies on this machine."""
REMOTE = ("https", "http", "gs", "gcs", "s3")
"""What is reached by a network, and may be named by a catalog."""
