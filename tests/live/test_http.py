#!/usr/bin/env python3
"""base/http against real servers of this test's own: test_http.py HTTP_CLIENT"""

import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

CLIENT = sys.argv.pop(1) if len(sys.argv) > 1 else "http_client"
TOKEN = "canary-token-4711"


def openssl(*args, cwd):
    subprocess.run(["openssl", *args], cwd=cwd, check=True, capture_output=True)


def make_pki(path):
    """ca.crt, other-ca.crt, server (for 127.0.0.1 and localhost), elsewhere (for another host), client."""
    for ca in ("ca", "other-ca"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-keyout", f"{ca}.key", "-out", f"{ca}.crt", "-subj", f"/CN=test {ca}", cwd=path)
    leaves = {
        "server": "subjectAltName=IP:127.0.0.1,DNS:localhost",
        "elsewhere": "subjectAltName=DNS:elsewhere.example",
        "client": "extendedKeyUsage=clientAuth",
    }
    for name, extension in leaves.items():
        with open(os.path.join(path, "ext"), "w") as f:
            f.write(extension + "\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
                "-out", f"{name}.csr", "-subj", f"/CN={name}", cwd=path)
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-out", f"{name}.crt", "-extfile", "ext", cwd=path)
        os.chmod(os.path.join(path, f"{name}.key"), 0o600)
    openssl("ec", "-aes128", "-passout", "pass:x", "-in", "client.key", "-out", "locked.key", cwd=path)
    os.chmod(os.path.join(path, "locked.key"), 0o600)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def setup(self):
        super().setup()
        self.server.connections += 1

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        record = {"method": self.command, "path": self.path, "body": body.decode(),
                  "headers": {k.lower(): v for k, v in self.headers.items()}}
        self.server.requests.append(record)
        name = self.path.strip("/").split("/")[0].split("?")[0]
        getattr(self, "on_" + name, self.on_other)(record)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = do_HEAD = answer

    def send(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def on_other(self, record):
        self.send(200, json.dumps(record).encode())

    def on_mark(self, record):
        port = self.client_address[1]
        run = subprocess.run(["ss", "-Htne", f"sport = :{port}"], capture_output=True, text=True)
        self.send(200, run.stdout.encode())

    def on_big(self, record):
        self.send(200, b"x" * 5000)

    def on_chunks(self, record):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(50):
            self.wfile.write(b"64\r\n" + b"y" * 100 + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def on_busy(self, record):
        self.send(429, b"later", [("Retry-After", "7")])

    def on_redirect(self, record):
        self.send(302, b"", [("Location", f"http://127.0.0.1:{self.server.server_port}/redirected")])

    def on_half(self, record):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        self.close_connection = True

    def on_halfchunk(self, record):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf")
        self.close_connection = True

    def on_nothing(self, record):
        self.close_connection = True

    def on_reset(self, record):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.connection.close()
        self.close_connection = True

    def on_garbage(self, record):
        self.wfile.write(b"\x00\x1b[31mgarbage\r\n" * 5)
        self.close_connection = True

    def on_slow(self, record):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        try:
            while not self.server.ended.wait(0.05):
                self.wfile.write(b"z")
        except OSError:
            pass
        self.close_connection = True

    def on_goodbye(self, record):
        self.send(200, b"bye")
        self.close_connection = True  # without saying so


class Server:
    def __init__(self, tls=None):
        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.httpd.requests, self.httpd.connections, self.httpd.ended = [], 0, threading.Event()
        self.httpd.handle_error = lambda *_: None
        if tls:
            self.httpd.socket = tls.wrap_socket(self.httpd.socket, server_side=True, do_handshake_on_connect=False)
        self.url = ("https" if tls else "http") + f"://127.0.0.1:{self.httpd.server_port}"
        self.port = self.httpd.server_port
        threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def requests(self):
        return self.httpd.requests

    def close(self):
        self.httpd.ended.set()
        self.httpd.shutdown()
        self.httpd.server_close()


def client(*args, env=None):
    run = subprocess.run([CLIENT, *args], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                         env={**os.environ, **(env or {})}, start_new_session=True)
    assert TOKEN not in run.stdout.replace(f'Bearer {TOKEN}', "") and TOKEN not in run.stderr, run.stdout
    assert run.returncode in (0, 1), run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


class HttpTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory(prefix="enmesh-http-")
        cls.pki = cls.tmp.name
        make_pki(cls.pki)
        cls.plain = Server()
        cls.tls = Server(cls.context("server"))
        cls.elsewhere = Server(cls.context("elsewhere"))
        demanding = cls.context("server")
        demanding.verify_mode = ssl.CERT_REQUIRED
        demanding.load_verify_locations(cls.path("ca.crt"))
        cls.demanding = Server(demanding)
        with open(cls.path("token"), "w") as f:
            f.write(TOKEN + "\n")
        os.chmod(cls.path("token"), 0o600)

    @classmethod
    def tearDownClass(cls):
        for server in (cls.plain, cls.tls, cls.elsewhere, cls.demanding):
            server.close()
        cls.tmp.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.pki, name)

    @classmethod
    def context(cls, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cls.path(name + ".crt"), cls.path(name + ".key"))
        return context

    def failed(self, answer, error, *texts):
        self.assertEqual(answer.get("error"), error, answer)
        for text in texts:
            self.assertIn(text, answer["problem"])

    def test_method_body_and_headers_arrive(self):
        [answer] = client("header=X-Test: yes", "body={}", f"token={self.path('token')}", "PATCH",
                          self.plain.url + "/a%2Fb?x=1")
        request = json.loads(answer["body"])
        self.assertEqual((request["method"], request["path"], request["body"]), ("PATCH", "/a%2Fb?x=1", "{}"))
        self.assertEqual(request["headers"]["x-test"], "yes")
        self.assertEqual(request["headers"]["authorization"], f"Bearer {TOKEN}")
        self.assertNotIn("expect", request["headers"])

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("ss"), "needs root and ss")
    def test_sockets_carry_the_mark_that_capture_lets_go(self):
        [answer] = client("GET", self.plain.url + "/mark")
        self.assertIn("fwmark:0x656d", answer["body"])

    def test_without_the_right_to_mark_it_works_all_the_same(self):
        if os.geteuid():
            self.skipTest("needs root")
        run = subprocess.run(["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all",
                              "--reuid=65534", "--clear-groups", CLIENT, "GET", self.plain.url + "/x"],
                             capture_output=True, text=True)
        self.assertEqual(json.loads(run.stdout)["status"], 200)

    def test_a_path_goes_out_as_written(self):
        [answer] = client("GET", self.plain.url + "/a/../b/./c")
        self.assertEqual(json.loads(answer["body"])["path"], "/a/../b/./c")

    def test_a_post_without_body_has_a_length(self):
        [answer] = client("POST", self.plain.url + "/x")
        self.assertEqual(json.loads(answer["body"])["headers"]["content-length"], "0")

    def test_one_connection_is_kept(self):
        before = self.tls.httpd.connections
        answers = client(f"ca={self.path('ca.crt')}", *["GET", self.tls.url + "/x"] * 5)
        self.assertEqual([a["status"] for a in answers], [200] * 5)
        self.assertEqual(self.tls.httpd.connections, before + 1)

    def test_a_connection_closed_between_requests_is_opened_again(self):
        answers = client(*["GET", self.plain.url + "/goodbye"] * 3)
        self.assertEqual([a.get("status") for a in answers], [200] * 3)

    def test_the_ca_may_be_bytes(self):
        [answer] = client(f"ca_bytes={self.path('ca.crt')}", "GET", self.tls.url + "/x")
        self.assertEqual(answer["status"], 200)

    def test_another_ca_is_refused(self):
        seen = len(self.tls.requests)
        [answer] = client(f"ca={self.path('other-ca.crt')}", f"token={self.path('token')}", "GET", self.tls.url)
        self.failed(answer, "EKEYREJECTED", f"127.0.0.1:{self.tls.port}", "certificate")
        self.assertEqual(len(self.tls.requests), seen)

    def test_the_system_does_not_trust_our_ca(self):
        [answer] = client("GET", self.tls.url)
        self.failed(answer, "EKEYREJECTED")

    def test_a_certificate_for_another_host_is_refused(self):
        [answer] = client(f"ca={self.path('ca.crt')}", "GET", self.elsewhere.url)
        self.failed(answer, "EKEYREJECTED", "127.0.0.1")

    def test_insecure_asks_for_no_certificate(self):
        [answer] = client("insecure=1", "GET", self.elsewhere.url + "/x")
        self.assertEqual(answer["status"], 200)

    def test_old_tls_is_refused(self):
        context = self.context("server")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        old = Server(context)
        self.addCleanup(old.close)
        [answer] = client(f"ca={self.path('ca.crt')}", "GET", old.url)
        self.failed(answer, "EPROTO")

    def test_a_client_certificate_is_shown(self):
        args = [f"ca={self.path('ca.crt')}", f"cert={self.path('client.crt')}", f"key={self.path('client.key')}"]
        [answer] = client(*args, "GET", self.demanding.url + "/x")
        self.assertEqual(answer.get("status"), 200, answer)

    def test_without_the_demanded_certificate_it_fails(self):
        [answer] = client(f"ca={self.path('ca.crt')}", "GET", self.demanding.url + "/x")
        self.assertIn(answer.get("error"), ("EPROTO", "ECONNRESET"))

    def test_a_key_that_others_can_read_is_refused(self):
        key = self.path("open.key")
        with open(self.path("client.key")) as f, open(key, "w") as g:
            g.write(f.read())
        os.chmod(key, 0o644)
        [answer] = client(f"cert={self.path('client.crt')}", f"key={key}", "GET", self.plain.url)
        self.failed(answer, "EINVAL", key, "0644")

    def test_a_locked_key_fails_without_asking_for_a_pass_phrase(self):
        args = [f"ca={self.path('ca.crt')}", f"cert={self.path('client.crt')}", f"key={self.path('locked.key')}"]
        [answer] = client(*args, "GET", self.demanding.url + "/x")
        self.failed(answer, "EINVAL", "private key")

    def test_a_half_answer_is_no_answer(self):
        for path in ("/half", "/halfchunk"):
            [answer] = client("GET", self.plain.url + path)
            self.failed(answer, "ECONNRESET")

    def test_a_reset_and_an_empty_answer_are_told(self):
        for path in ("/reset", "/nothing"):
            [answer] = client("GET", self.plain.url + path)
            self.failed(answer, "ECONNRESET", f"127.0.0.1:{self.plain.port}: ")

    def test_garbage_is_an_error_in_printable_characters(self):
        [answer] = client("GET", self.plain.url + "/garbage")
        self.failed(answer, "EPROTO")
        self.assertTrue(answer["problem"].isprintable())

    def test_nobody_listens(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
            [answer] = client("GET", f"http://127.0.0.1:{port}/")
        self.failed(answer, "ECONNREFUSED", f"127.0.0.1:{port}: Connection refused")

    def test_a_slow_answer_ends_at_the_timeout(self):
        [answer] = client("timeout=300", "GET", self.plain.url + "/slow")
        self.failed(answer, "ETIMEDOUT")

    def test_a_body_over_the_limit_is_refused(self):
        answers = client("limit=4999", "GET", self.plain.url + "/big", "GET", self.plain.url + "/chunks",
                         "GET", self.plain.url + "/x")
        self.failed(answers[0], "EFBIG", "4999 bytes")
        self.failed(answers[1], "EFBIG")
        self.assertEqual(answers[2]["status"], 200)

    def test_a_body_at_the_limit_is_taken(self):
        answers = client("limit=5000", "GET", self.plain.url + "/big", "GET", self.plain.url + "/chunks")
        self.assertEqual([a["size"] for a in answers], [5000, 5000])

    def test_retry_after_is_read(self):
        answers = client("GET", self.plain.url + "/busy", "GET", self.plain.url + "/x")
        self.assertEqual([(a["status"], a["retryAfter"]) for a in answers], [(429, 7), (200, 0)])

    def test_a_redirect_is_not_followed(self):
        [answer] = client(f"token={self.path('token')}", "GET", self.plain.url + "/redirect")
        self.assertEqual(answer["status"], 302)
        self.assertNotIn("/redirected", [r["path"] for r in self.plain.requests])

    def test_proxies_of_the_environment_are_not_used(self):
        env = {"http_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"}
        [answer] = client("GET", self.plain.url + "/x", env=env)
        self.assertEqual(answer.get("status"), 200)

    def test_other_schemes_are_refused(self):
        answers = client("GET", "file:///etc/passwd", "GET", "gopher://127.0.0.1/")
        self.assertEqual([a["error"] for a in answers], ["EINVAL", "EINVAL"])

    def test_a_header_cannot_end_early(self):
        [answer] = client("header=X: a\r\nY: b", "GET", self.plain.url + "/x")
        self.failed(answer, "EINVAL")


if __name__ == "__main__":
    if not shutil.which("openssl"):
        print("skipped: openssl is not installed")
        sys.exit(77)
    unittest.main(verbosity=2)
