from rest_framework.routers import DefaultRouter

from campaigns.api.personal import ExceptionViewSet, InboxViewSet
from campaigns.api.views import CampaignViewSet

app_name = "campaigns-api"
router = DefaultRouter()
router.register("campaigns", CampaignViewSet)
router.register("exceptions", ExceptionViewSet)
router.register("inbox", InboxViewSet)
urlpatterns = router.urls
