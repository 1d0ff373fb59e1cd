"""How to speak to RainFocus: what tap and target must agree on, without network code."""
