"""Sends notifications by mail: the text names nobody, content is attached (backport, channels, Email)."""

from __future__ import annotations

import asyncio
import smtplib

from django.core.mail import EmailMessage

from tuetinh.record import formats
from tuetinh.record.subscriptions.errors import NotDelivered
from tuetinh.record.subscriptions.wanted import JSON, XML, Wanted

WORDS = {
    "handshake": ("Đăng ký nhận tin đã bắt đầu · The subscription has started", ""),
    "heartbeat": ("Đăng ký nhận tin vẫn hoạt động · The subscription is alive", ""),
}


async def send(id_: str, kind: str, count: int, attached: bytes, wanted: Wanted) -> None:
    """Send one mail. attached: JSON, b"" for none. Raises NotDelivered."""
    subject, text = WORDS.get(kind, (f"{count} thay đổi mới · {count} new changes", ""))
    body = f"{text or subject}.\n\nSubscription/{id_}\n"
    mail = EmailMessage(f"Tuệ Tĩnh: {subject}", body, to=[wanted.endpoint.removeprefix("mailto:")])
    if attached and wanted.payload in JSON:
        mail.attach("notification.json", attached, wanted.payload)
    elif attached and wanted.payload in XML:
        mail.attach("notification.xml", await asyncio.to_thread(formats.write, attached), wanted.payload)
    try:
        await asyncio.to_thread(mail.send)
    except smtplib.SMTPException as error:
        code = getattr(error, "smtp_code", "")
        raise NotDelivered(f"the mail server refused the mail {code}".strip()) from None
    except OSError:
        raise NotDelivered("the mail server is not reached") from None
