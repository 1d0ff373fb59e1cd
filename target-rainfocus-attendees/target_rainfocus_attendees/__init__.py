"""Singer target that writes attendee profiles to the RainFocus Attendee Store."""
