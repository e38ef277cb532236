"""`python -m engage.cli` is `engage`: for paths too long, or with spaces, for a console script."""

from engage.cli.main import main

main()
