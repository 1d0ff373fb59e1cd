"""What the inbox and the ledger share: a database that a setting names, and commits in groups."""
