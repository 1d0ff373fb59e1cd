"""What the sandbox knows, in SQLite."""
