"""The admin site: Dynamo's front page is its index, and no list deletes in bulk."""

from __future__ import annotations

from unfold.sites import UnfoldAdminSite


class DynamoAdminSite(UnfoldAdminSite):
    """The one admin site; what its front page shows comes from ``dynamo_site.views.front`` (setting UNFOLD)."""

    index_title = "Today"
    index_template = "dynamo/front.html"

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.disable_action("delete_selected")
