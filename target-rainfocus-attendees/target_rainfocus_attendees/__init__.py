"""Singer target that writes attendee profiles to the RainFocus Attendee Store."""

PACKAGE = "target-rainfocus-attendees"
"""Its name as a distribution, a command and a logger."""
