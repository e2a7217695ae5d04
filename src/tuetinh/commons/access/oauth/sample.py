"""The sample app: a person's newest results as a chart, by SMART's own JavaScript client and what anybody may use."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from tuetinh.commons.access.models import Client

LABORATORY = "category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
SCOPES = f"launch launch/patient openid fhirUser patient/Patient.rs patient/Observation.rs?{LABORATORY}"


def register_sample() -> None:
    """Register the sample app, which is public and may see laboratory results only."""
    fields = {
        "name": _("Biểu đồ kết quả"),
        "scopes": SCOPES,
        "redirect_uris": "/apps/sample/",
        "launch_url": "/apps/sample/launch",
    }
    Client.objects.update_or_create(id="sample", defaults=fields)


@require_GET
def launch(request: HttpRequest) -> HttpResponse:
    """Where the app begins: it asks the node who may see what."""
    return render(request, "access/sample.html", {"step": "launch"})


@require_GET
def app(request: HttpRequest) -> HttpResponse:
    """Where the app comes back to, and shows what it was allowed to see."""
    return render(request, "access/sample.html", {"step": "show"})
