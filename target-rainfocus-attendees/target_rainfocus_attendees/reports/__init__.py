"""What a run leaves behind: summary, rejects, activation log."""
