"""Adapters to models and media libraries; for workers, the trainer and the command line only."""
