"""`tuetinh manage evaluate_model MODEL FOLDER`: how well a model tells pictures apart whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tuetinh.care.imaging.ai import evaluating, known, running


class Command(BaseCommand):
    """Print count, AUC, the threshold's numbers, ROC and subgroups."""

    help = "Evaluate a model on a folder of DICOM files or pictures with truth.csv (file, truth 0 or 1, subgroups)."

    def add_arguments(self, parser: CommandParser) -> None:
        """MODEL, FOLDER, --plot."""
        parser.add_argument("model", help="its name, or NAME:VERSION; the newest version else")
        parser.add_argument("folder", type=Path)
        parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the ROC")

    def handle(self, *args: Any, **options: Any) -> None:
        """Evaluate."""
        name, _, version = options["model"].partition(":")
        model = known.version_of(name, version) if version else known.newest(name)
        if model is None:
            there = ", ".join(f"{one.name}:{one.version}" for one in known.versions())
            raise CommandError(f"no model {options['model']}; there are: {there}")
        try:
            cases = evaluating.cases(model, known.file_of(model), options["folder"])
        except evaluating.BadCases as error:
            raise CommandError(str(error)) from error
        except running.Failed as error:
            raise CommandError(f"the model gives no result: {error.code} {error.said}".strip()) from error
        for line in evaluating.told(model, cases):
            self.stdout.write(line)
        if options["plot"]:
            options["plot"].write_text(evaluating.plot(model, cases), encoding="utf-8")
            self.stdout.write(f"ROC: {options['plot']}")
