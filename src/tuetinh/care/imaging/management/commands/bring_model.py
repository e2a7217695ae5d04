"""`tuetinh manage bring_model FILE.zip`: add a version of a model, also one that is too large for a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tuetinh.care.imaging.ai.bringing import bring
from tuetinh.care.imaging.errors import BadModel
from tuetinh.record.asker import SYSTEM


class Command(BaseCommand):
    """Check and try a model, and add it."""

    help = "Add a version of a model from a ZIP of model.json and model.onnx; a rule of imaging turns it on."

    def add_arguments(self, parser: CommandParser) -> None:
        """FILE."""
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        """Bring it."""
        try:
            with options["file"].open("rb") as file:
                model = bring(replace(SYSTEM, role="admin"), file)
        except (BadModel, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{model.name}:{model.version}")
