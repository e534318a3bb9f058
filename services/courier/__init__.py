"""Delivers signed webhooks with retries, and sweeps expired leases, erasures and old data."""
