"""From a profile to RainFocus. Knows no Singer."""
