"""A CalDAV server that does what real ones do rarely: odd_caldav.py PORT USER:PASSWORD HABIT...

One calendar, /USER/work/, in memory. Habits:
weak       versions are weak
no-etag    there are no versions
strip-x    X- properties of ours are dropped
rewrite    properties are sorted, LAST-MODIFIED is the server's, CLASS is dropped
new-uid    a new object gets a UID of the server's
busy       every fourth request is answered 429 with Retry-After
full       every third PUT is answered 507
cut        every third PUT is carried out and never answered
short      a sync report tells of one object, then 507: there is more
forgetful  a sync token is taken once, then refused with 403
"""

import base64
import http.server
import re
import socketserver
import sys
import threading
from xml.sax.saxutils import escape

port = int(sys.argv[1])
user = sys.argv[2].split(":")[0]
login = "Basic " + base64.b64encode(sys.argv[2].encode()).decode()
habits = set(sys.argv[3:])
calendar = f"/{user}/work/"
lock = threading.Lock()
objects = {}  # path -> (version, text)
history = []  # paths in the order of their changes; a token is a length of it
used = {}
counts = {}


def every(habit, number):
    """Whether it is time for the habit again."""
    if habit not in habits:
        return False
    counts[habit] = counts.get(habit, 0) + 1
    return counts[habit] % number == 0


def etag(version):
    return f'W/"{version}"' if "weak" in habits else f'"{version}"'


def stored(text, is_new):
    lines = re.sub(r"\r?\n[ \t]", "", text).splitlines()
    if "strip-x" in habits:
        lines = [line for line in lines if not line.startswith("X-LIAISON")]
    if "new-uid" in habits and is_new:
        name = f"UID:server-{len(history)}@odd.example"
        lines = [name if line.startswith("UID:") else line for line in lines]
    if "rewrite" in habits:
        begin, end = lines.index("BEGIN:VEVENT"), lines.index("END:VEVENT")
        dropped = ("CLASS", "LAST-MODIFIED")
        event = [line for line in lines[begin + 1 : end] if not line.startswith(dropped)]
        event.append("LAST-MODIFIED:20300101T000000Z")
        lines[begin + 1 : end] = sorted(event)
    return "\r\n".join(lines) + "\r\n"


def response(path, properties, status="200 OK"):
    return (
        f"<response><href>{escape(path)}</href><propstat><prop>{properties}</prop>"
        f"<status>HTTP/1.1 {status}</status></propstat></response>"
    )


def gone(path, status="404 Not Found"):
    return f"<response><href>{escape(path)}</href><status>HTTP/1.1 {status}</status></response>"


def listed(path):
    version, _ = objects[path]
    shown = "" if "no-etag" in habits else f"<getetag>{escape(etag(version))}</getetag>"
    return response(path, shown + "<resourcetype/>")


def own():
    return response(
        calendar,
        "<resourcetype><collection/><C:calendar/></resourcetype>"
        f"<S:getctag>{len(history)}</S:getctag>"
        "<supported-report-set><supported-report><report><sync-collection/></report>"
        "</supported-report></supported-report-set>",
    )


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body="", headers=()):
        data = body.encode()
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def multistatus(self, parts):
        body = (
            '<?xml version="1.0"?><multistatus xmlns="DAV:" '
            'xmlns:C="urn:ietf:params:xml:ns:caldav" '
            f'xmlns:S="http://calendarserver.org/ns/">{"".join(parts)}</multistatus>'
        )
        self.answer(207, body, [("Content-Type", "application/xml; charset=utf-8")])

    def begin(self):
        """The body, or None where the request is answered already."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode() if length else ""
        is_person = self.headers.get("X-Person") == "yes"
        if self.headers.get("Authorization") != login:
            self.answer(401)
        elif not is_person and every("busy", 4):
            self.answer(429, headers=[("Retry-After", "1")])
        else:
            return body
        return None

    def do_OPTIONS(self):
        self.answer(200)

    def do_MKCALENDAR(self):
        self.answer(201)

    def do_PROPFIND(self):
        if self.begin() is None:
            return
        with lock:
            path = self.path
            if path == calendar:
                deep = self.headers.get("Depth") == "1"
                parts = [own()] + ([listed(one) for one in objects] if deep else [])
            elif path in objects:
                parts = [listed(path)]
            else:
                return self.answer(404)
        self.multistatus(parts)

    def do_REPORT(self):
        body = self.begin()
        if body is None:
            return
        with lock:
            if "sync-collection" in body:
                return self.sync(body)
            parts = []
            for href in re.findall(r"href>([^<]+)</", body):
                if href in objects:
                    version, text = objects[href]
                    data = f"<C:calendar-data>{escape(text)}</C:calendar-data>"
                    shown = "" if "no-etag" in habits else f"<getetag>{etag(version)}</getetag>"
                    parts.append(response(href, data + shown))
                else:
                    parts.append(gone(href))
        self.multistatus(parts)

    def sync(self, body):
        token = re.search(r"sync-token>([^<]*)</", body)
        token = token.group(1) if token else ""
        if token and "forgetful" in habits:
            used[token] = used.get(token, 0) + 1
            if used[token] > 1:
                return self.answer(403, "<error xmlns='DAV:'><valid-sync-token/></error>")
        since = int(token.rsplit("/", 1)[-1]) if token else 0
        changed = history[since:]
        until = len(history)
        parts = []
        if "short" in habits and len(changed) > 1:
            changed, until = changed[:1], since + 1
            parts.append(gone(calendar, "507 Insufficient Storage"))
        for path in dict.fromkeys(changed):
            parts.append(listed(path) if path in objects else gone(path))
        parts.append(f"<sync-token>http://odd.example/{until}</sync-token>")
        self.multistatus(parts)

    def do_GET(self):
        if self.begin() is None:
            return
        with lock:
            found = objects.get(self.path)
        if found is None:
            return self.answer(404)
        version, text = found
        headers = [("Content-Type", "text/calendar; charset=utf-8")]
        if "no-etag" not in habits:
            headers.append(("ETag", etag(version)))
        self.answer(200, text, headers)

    def meets(self):
        """Whether If-Match and If-None-Match hold; a weak version never does (RFC 9110)."""
        there = objects.get(self.path)
        if self.headers.get("If-None-Match") == "*" and there:
            return False
        wanted = self.headers.get("If-Match")
        if wanted is None:
            return True
        if there is None:
            return False
        return wanted == "*" or (wanted == etag(there[0]) and not wanted.startswith("W/"))

    def do_PUT(self):
        body = self.begin()
        if body is None:
            return
        is_person = self.headers.get("X-Person") == "yes"
        with lock:
            if not is_person and every("full", 3):
                return self.answer(507)
            if not self.meets():
                return self.answer(412)
            is_new = self.path not in objects
            history.append(self.path)
            text = body if is_person else stored(body, is_new)
            objects[self.path] = (len(history), text)
            if not is_person and every("cut", 3):
                self.close_connection = True
                return self.connection.close()
        self.answer(201 if is_new else 204)

    def do_DELETE(self):
        if self.begin() is None:
            return
        with lock:
            if self.path not in objects:
                return self.answer(404)
            if not self.meets():
                return self.answer(412)
            history.append(self.path)
            del objects[self.path]
        self.answer(204)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


Server(("127.0.0.1", port), Handler).serve_forever()
