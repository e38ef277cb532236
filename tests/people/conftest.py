"""An author with an installation, as the tests of the command line have it."""

from tests.cli.conftest import author, migrated_url, shop

__all__ = ["author", "migrated_url", "shop"]
