"""A person's own mail program: opens the draft in Drafts, changes it, sends it, files the copy.

Usage: second_client.py IMAPS_PORT IMAP_CA SMTP_PORT SMTP_CA USER PASSWORD IDS WORDS
IDS is `keeps` (Message-ID and foreign fields stay, as some programs do) or `new` (another
Message-ID, and no field that the program does not know itself). WORDS are added to the text.
Prints the Message-ID of what was sent.
"""

import email
import email.policy
import imaplib
import smtplib
import ssl
import sys
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr

imaps, imap_ca, submission, smtp_ca, user, password, ids, words = sys.argv[1:]
KNOWN = ["From", "To", "Cc", "Subject", "In-Reply-To", "References"]

client = imaplib.IMAP4_SSL(
    "localhost", int(imaps), ssl_context=ssl.create_default_context(cafile=imap_ca)
)
client.login(user, password)
client.select("Drafts")
(uids,) = client.uid("SEARCH", "UNDELETED")[1]
(uid,) = uids.split()
source = client.uid("FETCH", uid, "(BODY.PEEK[])")[1][0][1]
draft = email.message_from_bytes(source, policy=email.policy.default)

mail = EmailMessage()
for name, value in draft.items():
    wanted = name in KNOWN if ids == "new" else not name.lower().startswith("content-")
    if wanted and name.lower() not in ("date", "mime-version"):
        mail[name] = str(value)
mail["Date"] = formatdate(localtime=True)
if ids == "new":
    mail["Message-ID"] = make_msgid(domain="desk.example.test")
text = draft.get_body(preferencelist=("plain",)).get_content()
first, rest = text.split("\n", 1)
mail.set_content(f"{first}\n\n{words}\n{rest}")
for part in draft.iter_attachments():
    kind, subtype = part.get_content_type().split("/")
    mail.add_attachment(
        part.get_payload(decode=True), kind, subtype, filename=part.get_filename()
    )

content = mail.as_bytes(policy=email.policy.SMTP)
with smtplib.SMTP("localhost", int(submission)) as server:
    server.starttls(context=ssl.create_default_context(cafile=smtp_ca))
    server.login(user, password)
    server.sendmail(parseaddr(mail["From"])[1], [parseaddr(mail["To"])[1]], content)
assert client.append("Sent", r"(\Seen)", None, content)[0] == "OK"
client.uid("STORE", uid, "+FLAGS.SILENT", r"(\Deleted)")
client.expunge()
client.logout()
print(mail["Message-ID"].strip().strip("<>"))
