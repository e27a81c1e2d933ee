"""The closer look at a failure: safe second looks, and what they and the certificate tell."""
