from django.urls import path
from rest_framework.routers import DefaultRouter

from operations.api import views
from operations.api.belts import BeltsView
from operations.api.deletions import DeletionViewSet
from operations.api.invalidations import InvalidationViewSet
from operations.api.limits import SiteLimitsListView, SiteLimitsView
from operations.api.pause import PauseView
from operations.api.requests import DeletionRequestViewSet
from operations.api.restore import RestoreView
from operations.api.scans import CleanUpViewSet, ScanFindingViewSet, StorageScanViewSet

app_name = "operations-api"
router = DefaultRouter()
router.register("deletions", DeletionViewSet)
router.register("attempts", views.AttemptViewSet)
router.register("deletion-files", views.DeletionFileViewSet)
router.register("invalidations", InvalidationViewSet)
router.register("deletion-requests", DeletionRequestViewSet)
router.register("scans", StorageScanViewSet)
router.register("scan-findings", ScanFindingViewSet)
router.register("clean-ups", CleanUpViewSet)
router.register("trash", views.TrashViewSet)
router.register("trash-files", views.TrashFileViewSet)
urlpatterns = [
    path("belts/", BeltsView.as_view(), name="belts"),
    path("pause/", PauseView.as_view(), name="pause"),
    path("site-limits/", SiteLimitsListView.as_view(), name="site-limits"),
    path("site-limits/<int:pk>/", SiteLimitsView.as_view(), name="site-limits-of"),
    path("restore/", RestoreView.as_view(), name="restore"),
    *router.urls,
]
