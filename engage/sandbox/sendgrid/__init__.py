"""SendGrid's twin: mails, their events, and the lists of who is not to be written to."""
