"""What happens at the event, and the pushes that tell of it."""
