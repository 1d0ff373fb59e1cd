"""The endpoint that RainFocus pushes to, for everybody without Adobe Experience Platform."""
