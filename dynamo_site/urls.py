"""URLs of the site."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from dynamo_site.monitoring.health import Readiness, alive
from dynamo_site.monitoring.metrics import metrics
from dynamo_site.views.activity import activity_view
from dynamo_site.views.acts import act_view
from dynamo_site.views.belts import belts_view
from dynamo_site.views.history import history_view
from dynamo_site.views.inject import inject_view, injection_view
from dynamo_site.views.invalidate import invalidate_view
from dynamo_site.views.restore import restore_view
from dynamo_site.views.statistics import statistics_view
from dynamo_site.views.storage import storage_view

handler404 = "dynamo_site.views.refused.not_found"
handler500 = "dynamo_site.views.refused.server_error"

admin.autodiscover()

urlpatterns = [
    path("healthz", alive, name="healthz"),
    path("readyz", Readiness.as_view(), name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("api/", include("dynamo_site.api.urls")),
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/activity/", admin.site.admin_view(activity_view), name="dynamo_activity"),
    path("admin/belts/", admin.site.admin_view(belts_view), name="dynamo_belts"),
    path("admin/invalidate/", admin.site.admin_view(invalidate_view), name="dynamo_invalidate"),
    path("admin/inject/", admin.site.admin_view(inject_view), name="dynamo_inject"),
    path("admin/inject/<int:key>/", admin.site.admin_view(injection_view), name="dynamo_injection"),
    path("admin/history/", admin.site.admin_view(history_view), name="dynamo_history"),
    path("admin/restore/", admin.site.admin_view(restore_view), name="dynamo_restore"),
    path("admin/statistics/", admin.site.admin_view(statistics_view), name="dynamo_statistics"),
    path("admin/storage/", admin.site.admin_view(storage_view), name="dynamo_storage"),
    path("admin/act/<slug:name>/", admin.site.admin_view(act_view), name="dynamo_act_all"),
    path("admin/act/<slug:name>/<str:key>/", admin.site.admin_view(act_view), name="dynamo_act"),
    path("admin/", admin.site.urls),
]
