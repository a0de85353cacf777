"""Keyset pages: page 10,000 costs as much as page 1, and no page counts a table of millions."""

from __future__ import annotations

from rest_framework.pagination import CursorPagination


class KeysetPagination(CursorPagination):
    """Follow ``next`` and ``previous``; ``page_size`` up to 1,000. Newest first unless the view says otherwise."""

    ordering = "-pk"
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000
