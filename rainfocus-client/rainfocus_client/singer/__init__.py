"""What the tap and the target share of Singer; no other room of the client knows the SDK."""
