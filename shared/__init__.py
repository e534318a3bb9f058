"""What every service shares: the domain, its ports, the pipeline, and the adapters."""
