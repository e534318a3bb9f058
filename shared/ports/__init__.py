"""Ports: the Protocols that the pipeline needs and the adapters implement."""
