"""Reading campaigns: frozen dataclasses and numbers, nothing is written."""
