"""Sends tickets to the queue, frees stuck work, and deletes erased and expired data."""
