"""The screens in a real browser: nothing from outside, no script error, no sideways scrolling, by keyboard, both themes."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from operations.models import Deletion, PauseSwitch
from policies.models import Comparison
from policies.services.comparisons import comparison_carry_out
from tests.factories.screens import PASSWORD, Screens, account, make_screens

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def screens(transactional_db: None, settings: Settings, tmp_path: Path) -> Screens:
    settings.MEDIA_ROOT = tmp_path
    settings.DYNAMO_MAX_SITE_FRACTION = 0.01
    return make_screens()


def _login(page: Page, server: LiveServer, name: str) -> None:
    page.goto(f"{server.url}/admin/login/")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{server.url}/admin/")


def compared(screens: Screens) -> Comparison:
    """Return a comparison of the test run with the cycle of the factory."""
    comparison = Comparison.objects.create(
        partition=screens.partition,
        old_cycle=screens.test_run,
        new_cycle=screens.cycle,
        old_source=str(screens.test_run),
        new_source=str(screens.cycle),
        clock=screens.cycle.clock,
        started_by="factory",
    )
    return comparison_carry_out(comparison_id=comparison.pk)


def failed(screens: Screens) -> Deletion:
    """Return the deletion of the factory, with a reason that has no place to be broken at, as storages give them."""
    file = "/store/data/Run2017F/ZeroBias/MINIAOD/31Mar2018-v1/00001/7d151af7-0000-4e8b-9d60.root"
    screens.deletion.reason = f"connection refused: {file}"
    screens.deletion.save(update_fields=["reason"])
    return screens.deletion


def _pages(screens: Screens) -> list[str]:
    return [
        "/admin/",
        f"/admin/policies/cycle/{screens.cycle.pk}/change/",
        f"/admin/policies/cycle/{screens.cycle.pk}/why/?dataset=/Keep/A-v1/RAW&site=T1_Full",
        f"/admin/policies/comparison/{compared(screens).pk}/change/",
        f"/admin/policies/plan/{screens.plan.pk}/change/",
        f"/admin/policies/policy/{screens.policy.pk}/change/",
        f"/admin/inventory/site/{screens.site.pk}/change/",
        "/admin/history/?dataset=/Keep/A-v1/RAW",
        "/admin/inventory/dataset/",
        "/admin/act/pause-all/",
        f"/admin/operations/deletion/{failed(screens).pk}/change/",
        "/admin/storage/",
        "/admin/policies/quota/grid/",
        "/admin/inventory/lock/",
        "/admin/inject/",
        "/admin/invalidate/",
    ]


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_pages_load_nothing_from_outside_and_fit_the_screen(
    screens: Screens, live_server: LiveServer, browser: Browser, width: int, theme: str
) -> None:
    account("Operators")
    page = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=theme).new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    own = (live_server.url, "data:", "blob:")
    page.on("request", lambda request: problems.append(request.url) if not request.url.startswith(own) else None)
    _login(page, live_server, "operators")
    for url in _pages(screens):
        answer = page.goto(live_server.url + url)
        page.wait_for_load_state("networkidle")
        assert answer is not None
        assert answer.status == 200, url
        assert page.evaluate("document.documentElement.scrollWidth") <= width, url
        assert page.evaluate("document.documentElement.classList.contains('dark')") is (theme == "dark"), url
    assert problems == []


def test_all_deletions_are_paused_by_keyboard_alone(screens: Screens, live_server: LiveServer, browser: Browser) -> None:
    account("Physics coordinators", "coordinator")
    page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
    _login(page, live_server, "coordinator")
    page.locator(".dy-top a", has_text="Pause").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/act/pause-all/")
    # The reason has the focus when the page is drawn; a browser without a window does not always draw, and people have Tab.
    for _ in range(60):
        if page.evaluate("document.activeElement.id") == "reason":
            break
        page.keyboard.press("Tab")
    page.keyboard.type("something looks wrong")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}/admin/")
    switch = PauseSwitch.objects.get(pk=1)
    assert (switch.is_paused, switch.reason, switch.changed_by_name) == (True, "something looks wrong", "coordinator")
    assert page.get_by_text("Deletions paused by coordinator").is_visible()


def test_the_front_page_draws_a_bar_with_the_watermarks_of_the_policy(
    screens: Screens, live_server: LiveServer, browser: Browser
) -> None:
    account("Auditors")
    page = browser.new_context(viewport={"width": 1280, "height": 844}).new_page()
    _login(page, live_server, "auditors")
    bar = page.locator("svg.dy-bar").first
    assert "T1_Full" in (bar.get_attribute("aria-label") or "")
    assert bar.locator("line.dy-tick").count() == 2
    assert bar.locator("rect.dy-delete").count() == 1
    assert page.locator(".dy-top a").count() == 0
