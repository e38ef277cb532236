"""Manual: the pages of `docs/reference/`, made from the code itself."""
