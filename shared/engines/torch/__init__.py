"""Engines that need torch: with the trainer, the only room that may import it."""
