"""A reverse proxy in front of an API server that makes things go wrong where a test says so.

    proxy = FaultProxy(cp)              # speaks TLS with a certificate of the control plane's CA
    proxy.fail("reset", "PATCH", "/serviceentries", times=2)
    ... proxy.url ...; proxy.log has (method, path, status or the fault's name)
"""

import http.client
import http.server
import json
import socket
import ssl
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def setup(self):
        super().setup()
        with self.server.owner.lock:
            self.server.owner.connections += 1

    def finish(self):
        if hasattr(self, "upstream"):
            self.upstream.close()
        super().finish()

    def handle_any(self):
        owner = self.server.owner
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = owner.take(self.command, self.path)
        if fault:
            owner.log.append((self.command, self.path, fault["kind"]))
            if fault.get("event"):
                fault["event"]()
            if fault["kind"] == "after":  # the request is carried out, and its answer lost
                owner.forward(self, body)
            return getattr(self, "do_fault_" + fault["kind"].replace("-", "_"))(fault)
        try:
            status, headers, answer = owner.forward(self, body)
        except OSError:
            owner.log.append((self.command, self.path, "down"))
            return self.do_fault_reset(None)
        owner.log.append((self.command, self.path, status))
        self.send(status, answer, headers)

    do_GET = do_PATCH = do_DELETE = do_POST = handle_any

    def send(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            if name.lower() in ("content-type", "retry-after"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_failure(self, code, reason, message, headers=()):
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                "reason": reason, "code": code}
        self.send(code, json.dumps(body).encode(), headers)

    def do_fault_reset(self, fault):
        sock = self.connection
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.close()
        except OSError:
            pass
        self.close_connection = True

    do_fault_after = do_fault_reset

    def do_fault_half(self, fault):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"kind\":")
        self.wfile.flush()
        self.close_connection = True

    def do_fault_cut(self, fault):
        """An answer whose length is not known and that ends in the middle."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"kind\":")
        self.close_connection = True

    def do_fault_garbage(self, fault):
        self.wfile.write(b"\x00\x01garbage\r\n\r\n")
        self.close_connection = True

    def do_fault_slow(self, fault):
        self.server.owner.closed.wait(60)
        self.close_connection = True

    def do_fault_503(self, fault):
        self.send_failure(503, "ServiceUnavailable", "the apiserver is shutting down")

    def do_fault_500(self, fault):
        self.send_failure(500, "InternalError", "etcdserver: leader changed")

    def do_fault_429(self, fault):
        self.send_failure(429, "TooManyRequests", "too many requests", [("Retry-After", fault.get("after", "1"))])

    def do_fault_410(self, fault):
        self.send_failure(410, "Expired", "The provided continue parameter is too old")


class FaultProxy:
    def __init__(self, cp):
        self.cp, self.faults, self.log, self.connections = cp, [], [], 0
        self.lock, self.closed = threading.Lock(), threading.Event()
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(cp.path("pki", "apiserver.crt"), cp.path("pki", "apiserver.key"))
        self.upstream = ssl.create_default_context(cafile=cp.ca_file)
        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads, self.httpd.owner = True, self
        self.httpd.handle_error = lambda *_: None
        self.httpd.socket = tls.wrap_socket(self.httpd.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self.httpd.server_port}"
        threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.closed.set()
        self.httpd.shutdown()
        self.httpd.server_close()

    def fail(self, kind, method="", text="", times=1, skip=0, but=None, **details):
        """The next `times` requests of that method whose path contains `text` and not `but`, after `skip` of them, go
        wrong."""
        with self.lock:
            self.faults.append({"kind": kind, "method": method, "text": text, "times": times, "skip": skip, "but": but,
                                **details})

    def take(self, method, path):
        with self.lock:
            for fault in self.faults:
                if fault["times"] < 1 or fault["method"] not in ("", method) or fault["text"] not in path:
                    continue
                if fault["but"] and fault["but"] in path:
                    continue
                if fault["skip"] > 0:
                    fault["skip"] -= 1
                    continue
                fault["times"] -= 1
                return fault
        return None

    def forward(self, handler, body):
        """Over one connection to the API server for each of the client's."""
        connection = getattr(handler, "upstream", None)
        if not connection:
            connection = handler.upstream = http.client.HTTPSConnection(self.cp.address, self.cp.port,
                                                                        context=self.upstream, timeout=30)
        try:
            headers = {k: v for k, v in handler.headers.items() if k.lower() in ("authorization", "content-type", "accept")}
            connection.request(handler.command, handler.path, body=body or None, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except http.client.HTTPException as e:
            raise OSError(str(e)) from None
