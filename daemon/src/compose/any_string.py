"""Reads rendered mails with Python's own parser: a JSON line in, a JSON line out."""

import base64
import email
import email.policy
import json
import sys
from email.header import decode_header, make_header
from email.utils import getaddresses
from html.parser import HTMLParser


def people(message, name):
    """Names by the older parser of the two: the newer one (of 3.11) leaves the white space between
    encoded words in names, and breaks off at the name `.`. Both must agree on the addresses."""
    fields = [value for known, value in message.raw_items() if known.lower() == name.lower()]
    raw = [value.replace("\r\n", "").replace("\n", "") for value in fields]
    found = [
        [str(make_header(decode_header(shown))), address] for shown, address in getaddresses(raw)
    ]
    try:
        newer = [one.addr_spec for field in message.get_all(name, []) for one in field.addresses]
    except AttributeError:
        return found
    assert newer == [address for _, address in found], (raw, newer)
    return found


class Shown(HTMLParser):
    """What is shown of a page that has no markup but what we write."""

    OURS = {
        "html": [], "head": [], "body": [], "p": [], "br": [], "a": ["href"],
        "meta": ["charset"], "blockquote": ["type"],
    }

    def __init__(self):
        super().__init__()
        self.text = []

    def handle_starttag(self, tag, attrs):
        assert [name for name, _ in attrs] == self.OURS[tag], (tag, attrs)
        if tag == "a":
            assert attrs[0][1].startswith(("http://", "https://")), attrs

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        raise AssertionError(data)


def shown(page):
    parser = Shown()
    parser.feed(page)
    parser.close()
    return "".join(parser.text)


def ids(message, name):
    return str(message[name] or "").split()


def seen(raw):
    message = email.message_from_string(raw.decode("utf-8"), policy=email.policy.default)
    body = message.get_body(preferencelist=("plain",))
    html = message.get_body(preferencelist=("html",))
    return {
        "names": [name.lower() for name in message.keys()],
        "from": people(message, "From"),
        "to": people(message, "To"),
        "reply_to": people(message, "Reply-To"),
        "subject": str(message["Subject"]),
        "message_id": str(message["Message-ID"]).strip(),
        "in_reply_to": ids(message, "In-Reply-To"),
        "references": ids(message, "References"),
        "date": message["Date"].datetime.timestamp(),
        "text": body.get_content().replace("\r\n", "\n"),
        "html": html and shown(html.get_content()),
        "files": [part.get_filename() for part in message.iter_attachments()],
    }


for line in sys.stdin:
    print(json.dumps(seen(base64.b64decode(line))))
