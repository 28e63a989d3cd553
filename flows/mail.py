"""A notification block that sends e-mail by SMTP: Prefect has none of its own. Register it once:
``prefect block register --file flows/mail.py``.
"""

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from typing import Literal

from prefect.blocks.abstract import NotificationBlock
from pydantic import Field, SecretStr

_TIMEOUT_S = 15.0


class JudgeforgeMail(NotificationBlock):
    """E-mail by SMTP.

    Args:
        host: the mail server.
        port: 587 takes ``starttls``, 465 ``tls``.
        encryption: ``none`` only for a server on this machine.
        username: None where the server asks for none.
        password: likewise.
        sender: an address.
        recipients: addresses.
    """

    _block_type_name = "judgeforge mail"
    _block_type_slug = "judgeforge-mail"
    _description = "Sends judgeforge's notifications by e-mail."

    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    encryption: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: SecretStr | None = None
    sender: str = Field(min_length=3)
    recipients: list[str] = Field(min_length=1)

    async def notify(self, body: str, subject: str | None = None) -> None:
        """Send a message.

        Args:
            body: its text.
            subject: its first line.

        Raises:
            OSError, smtplib.SMTPException: the server is not there, or refuses.
        """
        message = EmailMessage()
        message["From"], message["To"] = self.sender, ", ".join(self.recipients)
        message["Subject"] = " ".join((subject or "judgeforge").split())  # a line break would be another header
        message.set_content(body)
        await asyncio.to_thread(self._send, message)

    def _send(self, message: EmailMessage) -> None:
        with self._connect() as server:
            if self.username and self.password:
                server.login(self.username, self.password.get_secret_value())
            server.send_message(message)

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.encryption == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=_TIMEOUT_S, context=context)
        server = smtplib.SMTP(self.host, self.port, timeout=_TIMEOUT_S)
        if self.encryption == "starttls":
            try:
                server.starttls(context=context)
            except BaseException:
                server.close()
                raise
        return server
