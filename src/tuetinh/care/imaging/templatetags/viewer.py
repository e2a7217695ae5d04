"""The viewer, from pages where somebody is going to open it."""

from __future__ import annotations

from typing import Any

from django import template

from tuetinh.care.imaging.viewer.pages import built

register = template.Library()


@register.inclusion_tag("imaging/viewer_soon.html")
def viewer_soon() -> dict[str, Any]:
    """Let the browser fetch the viewer's scripts while the page is read."""
    return {"ohif": built()}
