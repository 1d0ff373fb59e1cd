"""The settings: what is declared, where values come from, whether they can work."""
