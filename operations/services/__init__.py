"""Everything that writes to the queue and acts on storage."""
