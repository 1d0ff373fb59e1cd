"""The v3 API and the token endpoint."""
