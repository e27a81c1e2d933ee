"""The mailer log and the status of each gateway."""
