"""The durable queue between the receiver and the tap."""
