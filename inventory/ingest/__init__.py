"""Documents into the inventory: read, check, compare with what is there, write what differs."""
