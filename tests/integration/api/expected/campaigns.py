"""Who may do what with campaigns."""

from __future__ import annotations

from tests.integration.api.expected import Expected

EXPECTED = (Expected("GET", "/api/v1/campaigns/", None),)

#: Rights on campaigns go by person and state, not by one right: ``tests/integration/campaigns`` hold actions to their people.
#: Here they are named one by one, so that a further one is noticed, and tried without a login.
BY_PERSON_AND_STATE = frozenset(
    {
        "GET /api/v1/campaigns/campaigns/",
        "POST /api/v1/campaigns/campaigns/",
        "POST /api/v1/campaigns/campaigns/decide/",
        "GET /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/",
        "PATCH /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/",
        "GET /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/actions/",
        "POST /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/except/",
        "POST /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/cancel/",
        "POST /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/comment/",
        "GET /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/comments/",
        "POST /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/effect/",
        "GET /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/events/",
        "POST /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/execute/",
        "GET /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/items/",
        "POST /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/pause/",
        "POST /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/propose/",
        "GET /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/quorum/",
        "POST /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/report/",
        "GET /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/report/(?P<kind>json|html|csv|parquet)/",
        "POST /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/resume/",
        "POST /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/revise/",
        "GET /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/revision/",
        "GET /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/revisions/",
        "POST /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/sign/",
        "GET /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/studies/",
        "POST /api/v1/campaigns/campaigns/(?P<pk>[^/.]+)/study/",
        "GET /api/v1/campaigns/exceptions/",
        "GET /api/v1/campaigns/exceptions/(?P<pk>[^/.]+)/",
        "POST /api/v1/campaigns/exceptions/(?P<pk>[^/.]+)/decide/",
        "POST /api/v1/campaigns/exceptions/(?P<pk>[^/.]+)/withdraw/",
        "GET /api/v1/campaigns/inbox/",
        "GET /api/v1/campaigns/inbox/(?P<pk>[^/.]+)/",
        "POST /api/v1/campaigns/inbox/read/",
        "GET /api/v1/campaigns/quorum-rules/",
        "POST /api/v1/campaigns/quorum-rules/",
        "GET /api/v1/campaigns/representatives/",
        "POST /api/v1/campaigns/representatives/",
    }
)
