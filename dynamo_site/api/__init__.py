"""What every endpoint shares: one error shape, pages, strict filters, permissions. The apps get them through settings."""
