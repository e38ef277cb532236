"""Words: how mistakes, keys and steps are told to a marketer."""
