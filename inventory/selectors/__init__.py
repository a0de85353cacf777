"""Everything that reads the inventory for somebody else; nothing here writes."""
