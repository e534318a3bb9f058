"""The annotation pipeline: its stages, and the driver that runs them."""
