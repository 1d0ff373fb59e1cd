"""The checks: each tries one kind of assumption, and says which settings follow."""
