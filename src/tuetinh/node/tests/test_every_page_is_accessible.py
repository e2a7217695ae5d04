"""Every HTML page but the laboratory's in a browser, at a desk and on a phone: no serious fault of axe, nothing wider
than the screen, no error in the console. The pages come from the URL resolver: a new one that says nowhere how it is
reached fails.
"""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import uuid4

import pytest

from tuetinh.node.tests.browsing.visiting import DESK, Visit, browser, go_through, lived_in, tabs, visit  # noqa: F401 - fixtures

pytestmark = [pytest.mark.browser, pytest.mark.long]
ASKED = {"response_type": "code", "state": "a-page", "code_challenge": "x" * 43, "code_challenge_method": "S256"}


def test_every_page_is_accessible(visit: Visit) -> None:  # noqa: F811
    go_through(visit, lambda route: not route.startswith("lab"))


def test_the_pages_that_refuse_are_accessible(visit: Visit) -> None:  # noqa: F811
    visit.look("reception", "/nowhere", 404)
    visit.look("reception", "/lab", 403)
    visit.look("citizen", "/me/results/nothing", 404)
    visit.look("outsider", "/")
    visit.look("admin", "/oauth/authorize?client_id=nobody", 400)
    assert visit.faults == [], "\n".join(visit.faults)


def test_the_page_that_asks_for_an_app_is_accessible(visit: Visit) -> None:  # noqa: F811
    app = {"name": "Ứng dụng thử", "client_id": f"thu-{uuid4().hex[:8]}", "redirect_uris": "https://app.example/back"}
    page = visit.tab("admin")
    page.set_viewport_size(DESK)
    page.goto(f"{visit.node.url}/accounts/apps/new")
    page.select_option("[name=proof]", "none")
    page.fill("[name=scopes]", "launch/patient patient/Patient.rs patient/Observation.rs")
    for name, value in app.items():
        page.fill(f"[name={name}]", value)
    page.click("main form button[type=submit], main form button.btn-primary")
    page.wait_for_selector(f"main:has-text('{app['client_id']}')")
    asked = ASKED | {
        "client_id": app["client_id"],
        "redirect_uri": app["redirect_uris"],
        "aud": f"{visit.node.url}/fhir",
    }
    for scope, role in (("launch/patient patient/Patient.rs", "doctor"), ("patient/Observation.rs", "citizen")):
        visit.look(role, f"/oauth/authorize?{urlencode(asked | {'scope': scope})}")
    assert visit.faults == [], "\n".join(visit.faults)
