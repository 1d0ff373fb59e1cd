"""Singer tap for RainFocus."""
