from django.urls import path
from rest_framework.routers import DefaultRouter

from policies.api import views
from policies.api.check import CheckView
from policies.api.comparisons import ComparisonViewSet
from policies.api.editing import ExpectationsCheckView, ExpectationsView, VersionsView
from policies.api.limits import PartitionLimitsView
from policies.api.quotas import QuotaPreviewViewSet, QuotaViewSet
from policies.api.storage import StorageReadingsView
from policies.api.test_runs import TestRunView

app_name = "policies-api"
router = DefaultRouter()
router.register("partitions", views.PartitionViewSet)
router.register("quotas", QuotaViewSet)
router.register("quota-previews", QuotaPreviewViewSet)
router.register("guardrails", views.GuardrailViewSet)
router.register("policies", views.PolicyViewSet)
router.register("policy-versions", views.PolicyVersionViewSet)
router.register("cycles", views.CycleViewSet)
router.register("comparisons", ComparisonViewSet)
router.register("plans", views.PlanViewSet)
router.register("plan-items", views.PlanItemViewSet)
urlpatterns = [
    path("check/", CheckView.as_view(), name="check"),
    path("partitions/<int:pk>/limits/", PartitionLimitsView.as_view(), name="partition-limits"),
    path("storage/readings/", StorageReadingsView.as_view(), name="storage-readings"),
    path("test-runs/", TestRunView.as_view(), name="test-runs"),
    path("expectations/check/", ExpectationsCheckView.as_view(), name="expectations-check"),
    path("policies/<int:pk>/versions/", VersionsView.as_view(), name="policy-versions-of"),
    path("policies/<int:pk>/expectations/", ExpectationsView.as_view(), name="policy-expectations"),
    *router.urls,
]
