"""Everything that writes to the inventory."""
