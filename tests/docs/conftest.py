"""The author of the command line's tests follows the pages."""

from tests.cli.conftest import author, migrated_url, shop

__all__ = ["author", "migrated_url", "shop"]
