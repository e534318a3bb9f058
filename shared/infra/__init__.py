"""Adapters to storage, databases, queues, logs and HTTP."""
