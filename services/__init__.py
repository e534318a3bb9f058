"""Programs: each is one process of the product."""
