"""The console: pages for looking, made on the server; they change nothing."""
