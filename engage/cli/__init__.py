"""The command line: `engage …`. One file per family of commands; each command says what it did, or `--json`."""
