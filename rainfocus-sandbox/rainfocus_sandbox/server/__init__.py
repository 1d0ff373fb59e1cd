"""The server, as a process of its own and from outside."""
