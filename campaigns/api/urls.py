from django.urls import path
from rest_framework.routers import DefaultRouter

from campaigns.api.personal import ExceptionViewSet, InboxViewSet
from campaigns.api.quorum_rules import QuorumRulesView, RepresentativesView
from campaigns.api.views import CampaignViewSet

app_name = "campaigns-api"
router = DefaultRouter()
router.register("campaigns", CampaignViewSet)
router.register("exceptions", ExceptionViewSet)
router.register("inbox", InboxViewSet)
urlpatterns = [
    path("quorum-rules/", QuorumRulesView.as_view(), name="quorum-rules"),
    path("representatives/", RepresentativesView.as_view(), name="representatives"),
    *router.urls,
]
