"""Django application of imaging."""

from __future__ import annotations

from django.apps import AppConfig


class ImagingConfig(AppConfig):
    """Named `imaging`."""

    name = "tuetinh.care.imaging"
    label = "imaging"

    def ready(self) -> None:
        """Let orders become examinations, rows follow people who are merged, and libraries tell nothing of people."""
        from tuetinh.care.imaging.archive.elsewhere import Away
        from tuetinh.care.imaging.exams import follow_orders
        from tuetinh.care.imaging.quiet import keep_quiet
        from tuetinh.care.imaging.retention.actions import follow_destruction
        from tuetinh.record.api import Follower, register_destruction, register_follower, register_projection
        from tuetinh.record.contents.files import register_elsewhere

        keep_quiet()
        register_elsewhere(Away())
        register_destruction("ImagingStudy", follow_destruction)
        register_projection("ServiceRequest", follow_orders)
        register_follower(Follower("imaging_study"))
        register_follower(Follower("imaging_disc"))
        register_follower(Follower("imaging_opinion"))
        register_follower(Follower("imaging_exam", by=("encounter", "Encounter")))
        register_follower(Follower("imaging_dose"))
