"""OAuth 2.0: how an application comes by tokens (the flows), and how they are kept. No socket, nothing printed."""
