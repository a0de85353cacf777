"""The demo: sample data that are real files, and web, worker and beat under one supervisor. Run by ``make demo``."""
