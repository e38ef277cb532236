"""The Celery face."""
