"""What the keeper of an inbox does with it, as commands."""
