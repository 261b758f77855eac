"""Basic authentication before a server that has none: auth_proxy.py LISTEN UPSTREAM USER:PASSWORD."""

import base64
import http.client
import http.server
import socketserver
import sys

listen, upstream = int(sys.argv[1]), int(sys.argv[2])
login = "Basic " + base64.b64encode(sys.argv[3].encode()).decode()
HOP_BY_HOP = {"connection", "content-length", "transfer-encoding"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pass_on(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        if self.headers.get("Authorization") != login:
            self.answer(401, [("WWW-Authenticate", 'Basic realm="calendars"')], b"")
            return
        kept = {"authorization", *HOP_BY_HOP}
        headers = {key: value for key, value in self.headers.items() if key.lower() not in kept}
        connection = http.client.HTTPConnection("127.0.0.1", upstream)
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        self.answer(answer.status, answer.getheaders(), answer.read())
        connection.close()

    def answer(self, status, headers, body):
        self.send_response(status)
        for key, value in headers:
            if key.lower() not in {*HOP_BY_HOP, "date", "server"}:
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.pass_on
        raise AttributeError(name)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


Server(("127.0.0.1", listen), Handler).serve_forever()
