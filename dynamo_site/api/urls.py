"""``/api/``: version 1 of the API, its OpenAPI document and the page to browse it."""

from __future__ import annotations

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from dynamo_site.api.views import ApiRoot

app_name = "api"
urlpatterns = [
    path("", ApiRoot.as_view(), name="root"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="api:schema"), name="docs"),
    path("v1/inventory/", include("inventory.api.urls")),
    path("v1/policies/", include("policies.api.urls")),
    path("v1/operations/", include("operations.api.urls")),
]
