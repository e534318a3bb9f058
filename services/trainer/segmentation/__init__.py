"""The network that hears who of a few voices speaks when, and where two do at once."""
