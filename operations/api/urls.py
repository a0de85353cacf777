from rest_framework.routers import DefaultRouter

from operations.api import views

app_name = "operations-api"
router = DefaultRouter()
router.register("deletions", views.DeletionViewSet)
router.register("attempts", views.AttemptViewSet)
router.register("deletion-files", views.DeletionFileViewSet)
urlpatterns = router.urls
