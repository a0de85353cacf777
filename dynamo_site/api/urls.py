"""``/api/``: version 1 of the API, its OpenAPI document and the page to browse it."""

from __future__ import annotations

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.routers import SimpleRouter

from dynamo_site.api.guarding import guard_patterns, guarded
from dynamo_site.api.histories import DatasetHistoryView
from dynamo_site.api.scopes import READ, TOKENS_WRITE
from dynamo_site.api.storage import StorageView
from dynamo_site.api.tokens import TokenViewSet
from dynamo_site.api.views import ApiRoot

app_name = "api"
router = SimpleRouter(use_regex_path=False)
router.register("tokens", TokenViewSet)
OWN = [path("", ApiRoot.as_view(), name="root"), *router.urls]
urlpatterns = [
    path("", ApiRoot.as_view(), name="root"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="api:schema"), name="docs"),
    path("v1/", include((guard_patterns(OWN, write_scope=TOKENS_WRITE), "v1"))),
    path(
        "v1/inventory/",
        include(
            (
                guard_patterns(
                    [path("datasets/<int:pk>/history/", DatasetHistoryView.as_view(), name="dataset-history")], write_scope=READ
                ),
                "v1-histories",
            )
        ),
    ),
    path("v1/inventory/", guarded("inventory.api.urls", write_scope="inventory:write")),
    path(
        "v1/policies/",
        include((guard_patterns([path("storage/", StorageView.as_view(), name="storage")], write_scope=READ), "v1-storage")),
    ),
    path("v1/policies/", guarded("policies.api.urls", write_scope="policies:write")),
    path("v1/campaigns/", guarded("campaigns.api.urls", write_scope="campaigns:write")),
    path("v1/operations/", guarded("operations.api.urls", write_scope="operations:write")),
]
