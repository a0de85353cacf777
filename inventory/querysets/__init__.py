"""Row vocabulary of the inventory's tables."""
