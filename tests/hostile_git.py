"""Git servers that mean harm, or are broken, for tests: HTTP on loopback in a thread, a behaviour for each first part of the path
(http://localhost:PORT/BEHAVIOUR/NAME.git). Repositories below `root` are served by git http-backend, and spoiled on the way."""
import hashlib
import http.server
import itertools
import os
import random
import socket
import socketserver
import struct
import subprocess
import threading
import time
import zlib

RESULT = "application/x-git-upload-pack-result"
LIST = "application/x-git-upload-pack-advertisement"
ID = "0123456789abcdef0123456789abcdef01234567"


def pkt(line):
    data = line if isinstance(line, bytes) else line.encode()
    return b"%04x" % (len(data) + 4) + data


# ---- packs ----

def entry(kind, size, data):
    """An object of a pack: type and size as gitformat-pack(5) has them, then what zlib made."""
    first, size = kind << 4 | size & 15, size >> 4
    out = bytearray()
    while size:
        out.append(first | 0x80)
        first, size = size & 0x7f, size >> 7
    out.append(first)
    return bytes(out) + data


def name(kind, data):
    return hashlib.sha1(b"%s %d\0" % (kind, len(data)) + data).digest()


def pack(entries, count=None):
    body = b"PACK" + struct.pack(">II", 2, len(entries) if count is None else count) + b"".join(entries)
    return body + hashlib.sha1(body).digest()


def commit_of(blob_id, more=()):
    """A commit with one file, whatever that is: (id, the objects commit and tree)."""
    tree = b"100644 mesh.yaml\0" + blob_id
    text = b"tree %s\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\nx\n" % name(b"tree", tree).hex().encode()
    return name(b"commit", text).hex(), [entry(1, len(text), zlib.compress(text)), entry(2, len(tree), zlib.compress(tree)), *more]


def varint(n):
    out = bytearray()
    while n > 0x7f:
        out.append(n & 0x7f | 0x80)
        n >>= 7
    return bytes([*out, n])


def zeros(size):
    z, out, chunk = zlib.compressobj(6), [], bytes(1 << 20)
    for _ in range(size >> 20):
        out.append(z.compress(chunk))
    return b"".join(out) + z.flush()


def pack_of_a_huge_delta():
    """20 kB that make an object of 2 GiB: a base of 16 MiB - 1, copied 129 times."""
    base_size = (1 << 24) - 1
    base = bytes(base_size)
    base_id = name(b"blob", base)
    copies = 129
    delta = varint(base_size) + varint(base_size * copies) + b"\xf0\xff\xff\xff" * copies
    commit, objects = commit_of(base_id)
    return commit, pack([*objects, entry(3, base_size, zlib.compress(base)), entry(7, len(delta), base_id + zlib.compress(delta))])


def pack_of_a_huge_file(size=1 << 30):
    sha = hashlib.sha1(b"blob %d\0" % size)
    for _ in range(size >> 20):
        sha.update(bytes(1 << 20))
    commit, objects = commit_of(sha.digest())
    return commit, pack([*objects, entry(3, size, zeros(size))])


def pack_of_many(n=1000000):
    data = b"0000000"
    commit, objects = commit_of(name(b"blob", data))
    objects += [entry(3, 7, zlib.compress(b"%07d" % i, 0)) for i in range(n)]
    return commit, pack(objects)


def pack_that_promises(count=0xffffffff):
    commit, objects = commit_of(name(b"blob", b"x"))
    return commit, pack(objects, count)


def pack_without_its_file():
    commit, objects = commit_of(name(b"blob", b"lacking"))
    return commit, pack(objects)


def pack_with_a_wrong_sum():
    commit, objects = commit_of(name(b"blob", b"x"), [entry(3, 1, zlib.compress(b"x"))])
    return commit, pack(objects)[:-1] + b"!"


def pack_of_deltas_on_deltas(n=5000):
    """A chain: each object is made of the one before it."""
    data = b"base"
    before = name(b"blob", data)
    objects = [entry(3, len(data), zlib.compress(data))]
    for i in range(n):
        word = b"%06d" % i
        delta = varint(len(data)) + varint(len(word)) + bytes([len(word)]) + word
        objects.append(entry(7, len(delta), before + zlib.compress(delta)))
        data, before = word, name(b"blob", word)
    commit, first = commit_of(before)
    return commit, pack(first + objects)


PACKS = {"delta": pack_of_a_huge_delta, "zeros": pack_of_a_huge_file, "many": pack_of_many, "promise": pack_that_promises,
         "lacking": pack_without_its_file, "sum": pack_with_a_wrong_sum, "chain": pack_of_deltas_on_deltas}


# ---- the server ----

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 0

    def log_message(self, *args):
        pass

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # that is how clients leave

    def do_GET(self):
        self.body = b""
        self.act()

    def do_POST(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.act()

    def act(self):
        part = self.path.split("?")[0].split("/")
        self.server.heard.append((self.command, self.path, dict(self.headers)))
        self.listing = b"command=ls-refs" in self.body
        self.rest = "/" + "/".join(self.path.split("/")[2:])
        word, _, argument = part[1].partition("-")
        self.close_connection = True
        getattr(self, "be_" + word)(argument)

    # ---- answers ----

    def head(self, status=200, kind=RESULT, **more):
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        for key, value in more.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Connection", "close")
        self.end_headers()

    def say(self, data, kind=RESULT, status=200):
        self.head(status, kind, Content_Length=str(len(data)))
        self.wfile.write(data)

    def kind(self):
        return RESULT if self.command == "POST" else LIST

    def real(self):
        """What git http-backend answers: status line and headers, and the body."""
        path, _, query = self.rest.partition("?")
        env = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": self.server.root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
               "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""),
               "CONTENT_LENGTH": str(len(self.body)), "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
               "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
        out = subprocess.run(["git", "http-backend"], input=self.body, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             check=False).stdout
        head, _, body = out.partition(b"\r\n\r\n")
        return b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + head + b"\r\n\r\n", body

    def advertise(self, commit, capabilities="agent=hostile"):
        tail = "\0" + capabilities if capabilities is not None else ""
        self.say(pkt("# service=git-upload-pack\n") + b"0000" + pkt(f"{commit} HEAD{tail}\n") + pkt(f"{commit} refs/heads/main\n") +
                 b"0000", LIST)

    # ---- behaviours: be_WORD answers /WORD-ARGUMENT/… ----

    def be_honest(self, _):
        self.wfile.write(b"".join(self.real()))

    def be_moving(self, argument):
        """The list is older than what is fetched then."""
        if self.listing:
            self.say(pkt(f"{ID} refs/heads/main\n") + b"0000")
        else:
            self.be_honest(argument)

    def be_drip(self, _):
        head, body = self.real()
        self.wfile.write(head)
        for i in range(len(body)):
            time.sleep(1)
            self.wfile.write(body[i:i + 1])

    def be_mute(self, _):
        self.server.stopped.wait()

    def be_silent(self, _):
        head, body = self.real()
        self.wfile.write(head + body[:int(body[:4], 16)])
        self.server.stopped.wait()

    def be_reset(self, argument):
        """After so many bytes; of the pack only, if "p" comes first."""
        data = b"".join(self.real())
        pack_only, n = argument[0] == "p", int(argument.lstrip("p"))
        if pack_only and (self.listing or self.command == "GET"):
            self.wfile.write(data)
            return
        self.wfile.write(data[:n])
        if n < len(data):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def be_cut(self, argument):
        """An early end instead, that looks like the end of the answer."""
        head, body = self.real()
        self.wfile.write(head + (body if self.listing or self.command == "GET" else body[:int(argument)]))

    def be_garbage(self, argument):
        noise = random.Random(argument).randbytes(100000)
        if argument == "pack" and (self.listing or self.command == "GET"):
            self.wfile.write(b"".join(self.real()))
        elif argument == "raw":
            self.wfile.write(noise)
        else:
            self.say((b"0008NAK\n" if argument == "pack" else b"") + noise, self.kind())

    def be_flip(self, argument):
        """One byte of the pack is another."""
        head, body = self.real()
        if not self.listing and self.command == "POST":
            at = int(argument) % len(body)
            body = body[:at] + bytes([body[at] ^ 0x55]) + body[at + 1:]
        self.wfile.write(head + body)

    def be_further(self, argument):
        self.head(302, None, Location=f"/further-{int(argument or 0) + 1}{self.rest}", Content_Length="0")

    def be_html(self, _):
        self.say(b"<html>sign in", "text/html")

    def be_type(self, argument):
        head, body = self.real()
        kinds = {"none": b"", "plain": b"text/plain", "charset": self.kind().encode() + b"; charset=utf-8"}
        self.wfile.write(head.replace(self.kind().encode(), kinds[argument]) + body)

    def be_status(self, argument):
        """With a body that has no end."""
        self.head(int(argument), "text/html")
        while True:
            self.wfile.write(b"x" * 65536)

    def be_headers(self, _):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for i in itertools.count():
            self.wfile.write(b"X-%d: %s\r\n" % (i, b"x" * 1000))

    def be_continue(self, _):
        while True:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    def be_length(self, argument):
        self.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Type: {self.kind()}\r\nContent-Length: {argument}\r\n\r\n0000".encode())

    def be_refs(self, argument):
        """So many, of protocol 2; "endless" has no end."""
        if not self.listing:
            self.advertise(ID)
            return
        self.head(kind=RESULT)
        self.wfile.write(pkt(f"{ID} HEAD symref-target:refs/heads/main\n"))
        lines = itertools.count() if argument == "endless" else range(int(argument))
        for part in self.parts(lines):
            self.wfile.write(b"".join(pkt(f"{ID} refs/tags/v1.{i}.0 peeled:{ID}\n") for i in part))
        self.wfile.write(b"0000")

    @staticmethod
    def parts(numbers, size=1000):
        numbers = iter(numbers)
        while part := list(itertools.islice(numbers, size)):
            yield part

    def be_old(self, argument):
        """Protocol 0 only: with how many references ("endless"), or without capabilities ("bare")."""
        if self.command == "POST":
            self.say(b"", RESULT)
        elif argument == "bare":
            self.advertise(ID, None)
        elif argument == "endless":
            self.head(kind=LIST)
            self.wfile.write(pkt("# service=git-upload-pack\n") + b"0000" + pkt(f"{ID} HEAD\0agent=x\n"))
            for part in self.parts(itertools.count()):
                self.wfile.write(b"".join(pkt(f"{ID} refs/heads/x{i:020}\n") for i in part))
        else:
            self.advertise(ID, "object-format=" + argument)

    def be_says(self, argument):
        words = {"err": pkt("ERR go away \x1b[31m\xff\n".encode("latin-1")), "empty": b"", "flush": b"0000", "delimiter": b"00010000",
                 "short": b"0003", "long": b"ffff" + b"x" * 70000, "name": pkt(f"{ID} HEAD symref-target:refs/heads/a:refs/x\n") + b"0000",
                 "spec": pkt(f"{ID} HEAD symref-target:refs/heads/*\n") + b"0000", "sha256": pkt("ab" * 32 + " HEAD\n") + b"0000",
                 "other": pkt(f"{ID} HEAD\n") + b"0000", "peeled": pkt(f"{ID} HEAD peeled:\n") + b"0000"}
        if self.command == "GET":
            self.say(pkt("# service=git-upload-pack\n") + b"0000" + pkt("version 2\n") + pkt("ls-refs\n") + b"0000", LIST)
        else:
            self.say(words[argument])

    def be_pack(self, argument):
        commit, data = self.server.pack(argument)
        if self.listing:
            self.say(pkt(f"{commit} HEAD symref-target:refs/heads/main\n") + b"0000")
        elif self.command == "GET":
            self.advertise(commit)
        else:
            self.say(b"0008NAK\n" + data)


class Hostile(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, root):
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = root
        self.port = self.server_address[1]
        self.heard = []  # (method, path, headers) of all requests
        self.packs = {}
        self.stopped = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request, client_address):
        pass

    def pack(self, kind):
        if kind not in self.packs:
            self.packs[kind] = PACKS[kind]()
        return self.packs[kind]

    def url(self, behaviour, repository="mesh.git"):
        return f"http://localhost:{self.port}/{behaviour}/{repository}"

    def close(self):
        self.stopped.set()
        self.shutdown()
        self.server_close()
