"""Adapters to machines: disks, logs, and later databases and queues."""
