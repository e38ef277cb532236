"""People in files: brought in row by row, written out, and erased."""
