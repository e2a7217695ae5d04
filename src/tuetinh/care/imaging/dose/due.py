"""Remembers that something of a study has come, for the job that reads doses."""

from __future__ import annotations

from datetime import UTC, datetime

from tuetinh.care.imaging.dose.models import DoseDue


def is_due(study: str) -> None:
    """Let the dose of a study be read, within the caller's transaction."""
    DoseDue.objects.bulk_create(
        [DoseDue(study_instance_uid=study, at=datetime.now(UTC))],
        update_conflicts=True, unique_fields=["study_instance_uid"], update_fields=["at"],
    )  # fmt: skip
