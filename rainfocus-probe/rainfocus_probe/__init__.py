"""Tries what is assumed of RainFocus, and names the settings that make it right."""

PACKAGE = "rainfocus-probe"
"""Its name as a distribution, a command and a logger."""
