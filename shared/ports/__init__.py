"""Verbs: Protocols that the pipeline needs and the adapters fulfil."""
