"""Engines that need torch: the only package besides the trainer that may import it."""
