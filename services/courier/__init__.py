"""Signed webhooks: what was announced is delivered, again and again until it arrives; stuck work is swept."""
