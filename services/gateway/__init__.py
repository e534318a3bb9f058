"""The native API: recordings in, job ids out; webhook endpoints and what became of their deliveries."""
