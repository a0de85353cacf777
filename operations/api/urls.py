from django.urls import path
from rest_framework.routers import DefaultRouter

from operations.api import views
from operations.api.pause import PauseView

app_name = "operations-api"
router = DefaultRouter()
router.register("deletions", views.DeletionViewSet)
router.register("attempts", views.AttemptViewSet)
router.register("deletion-files", views.DeletionFileViewSet)
urlpatterns = [path("pause/", PauseView.as_view(), name="pause"), *router.urls]
