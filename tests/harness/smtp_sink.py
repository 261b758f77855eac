"""An SMTP server that keeps what it gets, and can lie about it. Run by `smtp_sink.rs`.

Usage: smtp_sink.py FOLDER, with FOLDER/sink.json holding
    {"port": 0, "tls": "none|starttls|implicit", "cert": PATH, "key": PATH, "users": {name: password}}
Writes its port to FOLDER/port. For each mail: FOLDER/mail-N.eml, then one line in FOLDER/sink.log, both synced to
disk before the 250 goes out, so that the log is the truth about what was accepted.

By recipient: bounce* 550, later* 451. FOLDER/behaviour.json, read at each mail, holds
    {"mode": "normal|drop|lose-reply|reject|twice", "times": N or null, "delay_ms": N}
drop: the connection is cut after the data and nothing is kept. lose-reply: kept and logged, then
cut instead of the 250. reject: 554 after the data. twice: kept, and 250 said twice. `times` counts down; null is for ever.
"""

import asyncio
import hashlib
import json
import os
import signal
import ssl
import sys
import time
from email.parser import BytesHeaderParser
from email.policy import compat32

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

MAX_MAIL_BYTES = 64 * 1024 * 1024

folder = sys.argv[1]
with open(os.path.join(folder, "sink.json"), encoding="utf-8") as file:
    settings = json.load(file)


def write_durably(path, data, mode):
    with open(path, mode) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    directory = os.open(folder, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


class Sink:
    def __init__(self):
        self.log = os.path.join(folder, "sink.log")
        self.count = 0
        if os.path.exists(self.log):
            with open(self.log, "rb") as file:
                self.count = sum(1 for _ in file)
        self.behaviour_seen = None
        self.times_left = None

    def behaviour(self):
        """The current mode and delay; a mode with `times` is used up."""
        with open(os.path.join(folder, "behaviour.json"), encoding="utf-8") as file:
            wanted = json.load(file)
        if wanted != self.behaviour_seen:
            self.behaviour_seen = wanted
            self.times_left = wanted["times"]
        if self.times_left is None:
            return wanted["mode"], wanted["delay_ms"]
        if self.times_left == 0:
            return "normal", 0
        self.times_left -= 1
        return wanted["mode"], wanted["delay_ms"]

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("bounce"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("later"):
            return "451 4.2.0 try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        arrived = time.time()
        mode, delay_ms = self.behaviour()
        if delay_ms:
            await asyncio.sleep(delay_ms / 1000)
        if mode == "reject":
            return "554 5.7.1 refused"
        if mode != "drop":
            self.keep(session, envelope, arrived)
        if mode in ("drop", "lose-reply"):
            server.transport.abort()
            return "421 4.4.2 cut"
        answer = f"250 2.0.0 kept as {self.count}"
        return f"{answer}\r\n{answer}" if mode == "twice" else answer

    def keep(self, session, envelope, arrived):
        path = os.path.join(folder, f"mail-{self.count + 1}.eml")
        headers = BytesHeaderParser(policy=compat32).parsebytes(envelope.content)
        write_durably(path, envelope.content, "wb")
        line = {
            "envelope_from": envelope.mail_from,
            "rcpt": envelope.rcpt_tos,
            "message_id": str(headers.get("Message-ID", "")).strip(),
            "path": path,
            "sha256": hashlib.sha256(envelope.content).hexdigest(),
            "arrived": arrived,
            "time": time.time(),
            "user": (session.auth_data or b"").decode(),
        }
        write_durably(self.log, (json.dumps(line) + "\n").encode(), "ab")
        self.count += 1


class Session(SMTP):
    def _getparams(self, params):
        """Accepts AUTH= after MAIL, as a server that offers AUTH must (RFC 4954, section 5)."""
        known = super()._getparams(params)
        if known is not None:
            known.pop("AUTH", None)
        return known


def authenticate(server, session, envelope, mechanism, auth_data):
    if not isinstance(auth_data, LoginPassword):
        return AuthResult(success=False, handled=False)
    password = settings["users"].get(auth_data.login.decode())
    if password is None or password.encode() != auth_data.password:
        return AuthResult(success=False, handled=False)
    return AuthResult(success=True, auth_data=auth_data.login)


async def main():
    loop = asyncio.get_running_loop()
    context = None
    if settings["tls"] != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(settings["cert"], settings["key"])
    starttls = settings["tls"] == "starttls"
    sink = Sink()

    def session():
        return Session(
            sink,
            hostname="sink.example.test",
            data_size_limit=MAX_MAIL_BYTES,
            enable_SMTPUTF8=True,
            tls_context=context if starttls else None,
            require_starttls=starttls,
            authenticator=authenticate,
            auth_required=bool(settings["users"]),
            auth_require_tls=starttls,
            loop=loop,
        )

    server = await loop.create_server(
        session, "127.0.0.1", settings["port"], ssl=context if settings["tls"] == "implicit" else None
    )
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    port = server.sockets[0].getsockname()[1]
    with open(os.path.join(folder, "port.new"), "w", encoding="utf-8") as file:
        file.write(str(port))
    os.rename(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
    await stop.wait()
    server.close()


asyncio.run(main())
