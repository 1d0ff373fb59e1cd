"""The Singer input: lines, messages, and which STATE is safe."""
