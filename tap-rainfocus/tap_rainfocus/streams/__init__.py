"""What Singer sees: the streams, their state, and how messages are written."""
