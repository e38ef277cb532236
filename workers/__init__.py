"""The Celery face: the application and its tasks, and nothing else."""
