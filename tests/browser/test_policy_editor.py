"""The policy editor in a real browser: a wrong line is underlined, a variable completed, a text tested, saved and activated."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from policies.models import Policy, PolicyVersion
from policies.tasks import carry_out_comparison, carry_out_cycle
from tests.factories.screens import PASSWORD, Screens, account, make_screens

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def screens(transactional_db: None, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Screens:
    settings.MEDIA_ROOT = tmp_path
    settings.DYNAMO_MAX_SITE_FRACTION = 0.01
    # Carry out at once, in place of the worker behind the broker.
    monkeypatch.setattr(carry_out_cycle, "delay", carry_out_cycle.run)
    monkeypatch.setattr(carry_out_comparison, "delay", carry_out_comparison.run)
    return make_screens()


def open_editor(
    browser: Browser, server: LiveServer, screens: Screens, name: str, *, width: int = 1280, theme: str = "light"
) -> Page:
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme).new_page()
    page.problems = []
    page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    own = (server.url, "data:", "blob:")
    page.on("request", lambda request: page.problems.append(request.url) if not request.url.startswith(own) else None)
    page.goto(f"{server.url}/admin/login/")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{server.url}/admin/")
    page.goto(f"{server.url}/admin/policies/policy/{screens.policy.pk}/edit/")
    expect(page.locator("#dy-checked")).to_contain_text("no errors")
    return page


def picture(page: Page, name: str) -> None:
    """Keep a picture where ``DYNAMO_TEST_PICTURES`` asks for some, to be looked at."""
    folder = os.environ.get("DYNAMO_TEST_PICTURES")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def new_line(page: Page, number: int) -> None:
    """Make an empty line *number* and go there; the line that moves down is short enough not to be wrapped."""
    page.locator("#dy-text .cm-line").nth(number - 1).click()
    for key in ("Home", "Enter", "ArrowUp"):
        page.keyboard.press(key)


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark"), (1280, "dark"), (390, "light")])
def test_a_text_is_written_tested_saved_and_activated(
    screens: Screens, live_server: LiveServer, browser: Browser, width: int, theme: str
) -> None:
    account("Operators")
    page = open_editor(browser, live_server, screens, "operators", width=width, theme=theme)
    text = page.locator("#dy-text")
    # What the last test run found stands beside its lines at once.
    expect(text.locator(".dy-cm-hit")).to_have_count(2)

    # A wrong line is underlined under the token, and listed.
    new_line(page, 6)
    expect(text.locator(".cm-gutterElement", has=page.locator(".dy-cm-hit")).nth(1)).to_contain_text("26 replicas")
    page.keyboard.type("Protect dataset.nmae == /Data00*/*/*")
    page.keyboard.press("Escape")
    expect(text.locator(".cm-lintRange-error")).to_have_text("dataset.nmae")
    finding = page.locator("#dy-findings li").first
    expect(finding).to_contain_text("P104 line 6")
    expect(finding).to_contain_text("dataset.name")
    expect(page.locator("#dy-save")).to_be_disabled()
    picture(page, f"wrong-{width}-{theme}")
    page.locator("#dy-findings button").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("window.getSelection().toString()") == "dataset.nmae"

    # The selected word is replaced by a completed one.
    page.keyboard.type("dataset.na")
    option = page.locator(".cm-tooltip-autocomplete li", has_text="dataset.name")
    expect(option).to_be_visible()
    expect(page.locator(".cm-completionInfo")).to_contain_text("Name of the dataset.")
    picture(page, f"completion-{width}-{theme}")
    page.wait_for_timeout(120)  # the menu takes no key before somebody can have read it
    page.keyboard.press("Enter")
    expect(text.locator(".cm-line").nth(5)).to_contain_text("Protect dataset.name == /Data00*/*/*")
    expect(page.locator("#dy-checked")).to_contain_text("no errors")
    expect(page.locator("#dy-state")).to_contain_text("changed")

    # The test run shows sites, rules beside their lines, and what changes against the active version.
    page.locator("#dy-test").click()
    expect(page.locator("#dy-comparison")).to_contain_text("Against the active version", timeout=15_000)
    expect(page.locator("#dy-comparison .dy-sentence")).to_contain_text("no longer")
    expect(page.locator("#dy-decisions svg.dy-bar")).not_to_have_count(0)
    expect(text.locator(".cm-gutterElement .dy-cm-hit").first).to_contain_text("replica")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    picture(page, f"tested-{width}-{theme}")

    page.fill("#dy-comment", "protect more")
    page.locator("#dy-save").click()
    expect(page.locator("#dy-said")).to_have_text("Saved as v2.")
    page.locator("#dy-activate").click()
    page.fill("textarea[name=reason]", "looked at")
    page.get_by_role("button", name="Activate P v2").click()
    page.wait_for_url("**/edit/")
    assert page.problems == []
    policy = Policy.objects.get(pk=screens.policy.pk)
    version = PolicyVersion.objects.get(pk=policy.active_version_id)
    assert (version.number, version.comment) == (2, "protect more")
    assert (version.created_by, version.activated_by) == ("operators", "operators")
    assert version.text == screens.version.text.replace("Dismiss\n", "Protect dataset.name == /Data00*/*/*\nDismiss\n")


def test_a_failing_expectation_is_shown_and_blocks_activation(
    screens: Screens, live_server: LiveServer, browser: Browser
) -> None:
    account("Operators")
    page = open_editor(browser, live_server, screens, "operators")
    page.locator("#dy-expectations .cm-content").click()
    page.keyboard.type("expect keep dataset.name == /Keep/*")
    page.keyboard.press("Escape")
    page.locator("#dy-save-expectations").click()
    expect(page.locator("#dy-expectations-said")).to_have_text("Saved.")
    new_line(page, 6)
    page.keyboard.type("# a comment makes it another version")
    page.locator("#dy-test").click()
    expect(page.locator("#dy-tested")).to_contain_text("not met", timeout=15_000)
    expect(page.locator("#dy-tested")).to_contain_text("/Keep/A-v1/RAW at T1_Full: why?")
    picture(page, "expectation")
    page.locator("#dy-save").click()
    expect(page.locator("#dy-said")).to_have_text("Saved as v2.")
    page.locator("#dy-activate").click()
    page.fill("textarea[name=reason]", "looked at")
    page.get_by_role("button", name="Activate P v2").click()
    expect(page.locator(".dy-problem")).to_contain_text("/Keep/A-v1/RAW at T1_Full: protect by line 5")
    assert Policy.objects.get(pk=screens.policy.pk).active_version_id == screens.version.pk


def test_who_may_only_look_gets_the_text_without_buttons(screens: Screens, live_server: LiveServer, browser: Browser) -> None:
    account("Auditors")
    page = open_editor(browser, live_server, screens, "auditors")
    expect(page.locator("#dy-text .cm-content")).to_contain_text("Protect dataset.name == /Keep/*/*")
    assert page.locator("#dy-editor-page button:visible").count() == 0
    page.locator("#dy-text .cm-line").nth(4).click()
    page.keyboard.type("nothing of this is taken")
    assert "nothing of this" not in page.locator("#dy-text").inner_text()
    assert page.problems == []


def test_four_thousand_lines_stay_usable(screens: Screens, live_server: LiveServer, browser: Browser) -> None:
    account("Operators")
    rules = "".join(f"Protect dataset.name == /Big{index:04d}/*/*\n" for index in range(4000))
    lines = screens.version.text.replace("Dismiss\n", f"{rules}Dismiss\n")
    PolicyVersion.objects.create(policy=screens.policy, number=2, text=lines, digest="0" * 64, created_by="factory")
    page = open_editor(browser, live_server, screens, "operators")
    assert page.locator("#dy-text .cm-line").count() < 200
    page.locator("#dy-text .cm-line").nth(8).click()
    took = page.evaluate(
        """() => new Promise((resolve) => {
            const started = performance.now();
            document.execCommand("insertText", false, "x");
            requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - started), 0));
        })"""
    )
    assert took < 500, f"one typed letter took {took:.0f} ms"
    expect(page.locator("#dy-state")).to_contain_text("changed")
    assert page.problems == []
