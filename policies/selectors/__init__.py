"""Reads of policies, cycles and plans; nothing here changes a row."""
