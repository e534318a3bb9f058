"""Delivers signed webhooks with retries."""
