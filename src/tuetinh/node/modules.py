"""The modules of this installation, ground floor first. Each is a Django application."""

from __future__ import annotations

MODULES = (
    "tuetinh.record",
    "tuetinh.commons.ui",
    "tuetinh.commons.access",
    "tuetinh.commons.catalogues",
    "tuetinh.commons.identity",
    "tuetinh.commons.documents",
    "tuetinh.commons.messages",
    "tuetinh.care.decision",
    "tuetinh.care.insurance",
    "tuetinh.care.billing",
    "tuetinh.care.lab",
    "tuetinh.care.imaging",
    "tuetinh.care.reception",
    "tuetinh.care.clinic",
    "tuetinh.care.ward",
    "tuetinh.community.portal",
    "tuetinh.governance.privacy",
    "tuetinh.node",
)
