"""URLs of the site."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("api/", include("dynamo_site.api.urls")),
    path("admin/", admin.site.urls),
]
