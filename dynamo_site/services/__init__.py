"""What the site itself writes: API tokens and kept answers."""
