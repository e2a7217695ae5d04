"""Tells administrators by mail when the archive can no longer be relied upon, and when it can again.

`TUETINH_BACKUP_MAIL` names the addresses. A drill that failed is told at once; what may pass by itself after a while.
"""

from __future__ import annotations

import logging
import os
import smtplib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from django.core.mail import send_mail

from tuetinh.node.backup import state

if TYPE_CHECKING:
    from tuetinh.node.backup.service import Health

SETTING = "TUETINH_BACKUP_MAIL"
PATIENCE = timedelta(minutes=10)
FAULTS = {
    "late": "Bản sao lưu tốt gần nhất đã quá cũ. / The last good base backup is too old.",
    "behind": "Kho lưu trữ không nhận dữ liệu mới. / The archive does not get what is new.",
    "drill": "Lần khôi phục thử gần nhất không đạt. / The last trial restore has failed.",
}
WELL = "Sao lưu đã trở lại bình thường. / Backups can be relied upon again."

log = logging.getLogger(__name__)


def look(data: Path, health: Health, now: datetime | None = None) -> None:
    """Tell how the archive is when that is other than what was told last; what could not be sent is tried again."""
    addresses, now = os.environ.get(SETTING, "").replace(",", " ").split(), now or datetime.now(UTC)
    if not addresses:
        return
    known = state.told(data, "alarm") or {"told": "", "seen": "", "since": now.isoformat()}
    current = health.state if health.state in FAULTS else ""
    if current != known["seen"]:
        known |= {"seen": current, "since": now.isoformat()}
    lasts = now - datetime.fromisoformat(known["since"])
    if (
        current != known["told"]
        and (current in ("", "drill") or lasts >= PATIENCE)
        and _send(addresses, health, current)
    ):
        known["told"] = current
    state.tell(data, "alarm", known)


def _send(addresses: list[str], health: Health, current: str) -> bool:
    why = {"behind": health.log, "late": health.base, "drill": health.drill}.get(current, {}).get("error", "")
    text = "\n\n".join(
        part for part in (FAULTS.get(current, WELL), str(why), os.environ.get("TUETINH_URL", "")) if part
    )
    subject = f"Tuệ Tĩnh: {'sao lưu cần xem ngay / backups need a look' if current else 'sao lưu / backups: ok'}"
    try:
        send_mail(subject, text, None, addresses)
    except (OSError, smtplib.SMTPException) as error:
        log.error("the state of the archive could not be sent by mail: %s", type(error).__name__)
        return False
    return True
