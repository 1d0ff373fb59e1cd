"""The public catalogue of an event: what its web page asks, without an account."""
