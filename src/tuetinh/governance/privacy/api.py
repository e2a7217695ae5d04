"""What the node may call: de-identified exports by their number."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

from tuetinh.governance.privacy.deidentify import actions
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import ResearchExport

__all__ = ["PrivacyError", "write_deidentified"]


def write_deidentified(export_id: int, folder: Path) -> dict[str, int]:
    """Write an approved de-identified export into a folder; returns how many resources of each type.

    It is made now where the worker has not made it yet. Raises PrivacyError unless it is approved and not expired.
    """
    if ResearchExport.objects.filter(pk=export_id, state=ResearchExport.State.APPROVED).exists():
        actions.make(export_id)
    one = ResearchExport.objects.filter(pk=export_id, state=ResearchExport.State.READY).first()
    if one is None or not actions.path_of(one).is_file():
        raise PrivacyError("export-gone")
    folder.mkdir(parents=True, exist_ok=True)
    with ZipFile(actions.path_of(one)) as file:
        file.extractall(folder)
    counts: dict[str, int] = one.report["counts"]
    return counts
