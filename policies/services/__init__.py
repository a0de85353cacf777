"""Everything that writes policies, cycles and plans."""
