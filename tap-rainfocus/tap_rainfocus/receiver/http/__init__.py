"""The receiver's web server and application."""
