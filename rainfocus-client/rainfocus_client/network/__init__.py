"""What a company's network asks of its programs, read the same way for every HTTP library."""
