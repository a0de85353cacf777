"""Acts on campaigns: each locks the campaign, asks right and state again, and leaves an event."""
