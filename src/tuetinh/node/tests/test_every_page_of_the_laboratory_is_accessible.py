"""Every HTML page of the laboratory in a browser, at a desk and on a phone: no serious fault of axe, nothing wider than
the screen, no error in the console. The pages come from the URL resolver: a new one that says nowhere how it is reached
fails.
"""

from __future__ import annotations

import pytest

from tuetinh.node.tests.browsing.visiting import Visit, browser, go_through, lived_in, tabs, visit  # noqa: F401 - fixtures

pytestmark = [pytest.mark.browser, pytest.mark.long]


def test_every_page_of_the_laboratory_is_accessible(visit: Visit) -> None:  # noqa: F811
    go_through(visit, lambda route: route.startswith("lab"))
