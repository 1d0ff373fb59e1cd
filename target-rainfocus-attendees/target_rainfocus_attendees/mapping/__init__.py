"""From a record to a profile. No I/O, no Singer."""
