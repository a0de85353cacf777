from django.urls import path
from rest_framework.routers import DefaultRouter

from inventory.api import feeds, injections, locks, views
from inventory.api.statistics import StatisticsView

app_name = "inventory-api"
router = DefaultRouter()
router.register("sites", views.SiteViewSet)
router.register("groups", views.GroupViewSet)
router.register("datasets", views.DatasetViewSet)
router.register("blocks", views.BlockViewSet)
router.register("files", views.FileViewSet)
router.register("dataset-replicas", views.DatasetReplicaViewSet)
router.register("block-replicas", views.BlockReplicaViewSet)
router.register("locks", locks.LockViewSet)
router.register("fact-feeds", views.FactFeedViewSet)
router.register("injections", injections.InjectionViewSet)
router.register("audit-events", views.AuditEventViewSet)
urlpatterns = [
    path("lock-sets/<str:owner>/<slug:name>/", locks.LockSetView.as_view(), name="lock-set"),
    path("feeds/<slug:name>/", feeds.FeedViewSet.as_view({"post": "create"}), name="feed"),
    path("statistics/", StatisticsView.as_view(), name="statistics"),
    *router.urls,
]
