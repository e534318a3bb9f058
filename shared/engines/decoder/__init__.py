"""The decoder: a child process with resource limits that opens recordings."""
