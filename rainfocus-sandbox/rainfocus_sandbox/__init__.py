"""A RainFocus in a box: the v3 HTTP API over SQLite, for demos, tests and benchmarks."""
