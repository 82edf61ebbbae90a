"""Sources on real servers: test_git_servers.py ENMESH CHECK_JSON SCHEMA_DIR. https (git http-backend behind nginx), ssh
(OpenSSH), git daemon: which are trusted, what they get to see, and what it costs."""
import base64
import os
import shutil
import subprocess
import sys
import urllib.parse

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), p) for p in ("..", "../live")]
from cli_case import IS_ROOT, MESH, NODE, Case, clean_environment, main  # noqa: E402
from git_servers import Servers, alone, missing  # noqa: E402

USER = ("--source-user", "nobody") if IS_ROOT else ()


class Servers_(Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("var"))
        os.mkdir(self.path("repos"))
        self.servers = Servers(self.path("repos"))
        self.addCleanup(self.servers.close)
        self.git("init", "-q", "-b", "main", self.path("repos/mesh.git"), cwd=self.dir)
        self.commit("one")

    def git(self, *args, cwd=None):
        names = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", *names, *args], cwd=cwd or self.path("repos/mesh.git"), check=True, capture_output=True,
                              text=True, env={**clean_environment(), "GIT_CONFIG_GLOBAL": "/dev/null"}).stdout.strip()

    def commit(self, message):
        self.write("repos/mesh.git/mesh.yaml", MESH + f"# {message}\n")
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")

    def secret(self, name, text):
        path = self.write(name, text)
        os.chmod(path, 0o600)
        return path

    def validate(self, url, *args, code=0, **kw):
        return self.enmesh("validate", url, "--state-dir", "var/state", *USER, *args, code=code, **kw)

    def apply(self, url, *args, code=0):
        return self.enmesh("apply", url, "--state-dir", "var/state", "--run-dir", "var/run", "--node", NODE, "--target", "processes",
                           "--no-wait", *USER, *args, code=code)

    def refused(self, words, url, *args, code=1):
        r = self.validate(url, *args, code=code)
        # fcgiwrap may be gone before it has read a request that git refuses at once, which nginx takes for a failure.
        for _ in range(5):
            if "status 502" not in r.stderr:
                break
            r = self.validate(url, *args, code=code)
        self.assertIn(words, r.stderr)
        self.no_secrets(r.stdout + r.stderr)

    def no_secrets(self, text):
        for secret in (self.servers.token, self.servers.password):
            for form in (secret, urllib.parse.quote(secret), urllib.parse.quote(secret, safe=""),
                         base64.b64encode(secret.encode()).decode(), base64.b64encode(f"deploy:{secret}".encode()).decode()):
                self.assertNotIn(form, text)


class Https(Servers_):
    def setUp(self):
        super().setUp()
        self.servers.make_ca("stranger")
        self.servers.make_certificate("expired", days="-1")
        self.servers.make_certificate("elsewhere", host="git.example.com")
        self.servers.make_certificate("unknown", ca="stranger")
        self.other = Servers(self.path("repos"))
        self.addCleanup(self.other.close)
        self.there = self.other.https().split("//")[1]
        self.servers.make_certificate("early", start="20990101000000Z")
        self.url = self.servers.https(("expired", "elsewhere", "unknown", "early"), self.there)
        self.ca = ("--source-ca-file", self.servers.path("ca.crt"))

    def test_a_server_must_show_a_certificate_of_the_ca(self):
        self.validate(self.url + "/open/mesh.git", *self.ca)
        self.refused("certificate", self.url + "/open/mesh.git")
        for name, words in (("expired", "expired"), ("elsewhere", "no alternative certificate subject name"),
                            ("unknown", "source.caFile"), ("early", "is this machine's clock right?")):
            self.refused(words, f"https://localhost:{self.servers.ports[name]}/open/mesh.git", *self.ca)

    def test_credentials(self):
        password = self.secret("password", self.servers.password + "\n")
        token = self.secret("token", self.servers.token)
        wrong = self.secret("wrong", "nonsense")
        basic = ("--source-username", "deploy", "--source-password-file")
        self.validate(self.url + "/basic/mesh.git", *self.ca, *basic, password)
        self.refused("does not take the credentials", self.url + "/basic/mesh.git", *self.ca, *basic, wrong)
        self.refused("or wants some (401)", self.url + "/basic/mesh.git", *self.ca)
        self.validate(self.url + "/token/mesh.git", *self.ca, "--source-token-file", token)
        self.refused("(401)", self.url + "/token/mesh.git", *self.ca, "--source-token-file", wrong)
        self.secret("bad", "a\nb")
        self.refused("cannot be in a header", self.url + "/token/mesh.git", *self.ca, "--source-token-file", self.path("bad"))
        os.chmod(token, 0o644)
        self.refused("has mode 0644", self.url + "/token/mesh.git", *self.ca, "--source-token-file", token)
        self.refused("no such repository", self.url + "/open/other.git", *self.ca)
        self.refused("text/html", self.url + "/html", *self.ca)

    def test_client_certificates(self):
        self.servers.make_certificate("client", host="vm1")
        self.servers.make_certificate("foreign", host="vm1", ca="stranger")
        for name, works in (("client", True), ("foreign", False)):
            args = [*self.ca, "--source-cert-file", self.servers.path(name + ".crt"), "--source-key-file",
                    self.servers.path(name + ".key")]
            if works:
                self.validate(self.url + "/cert/mesh.git", *args)
            else:
                self.refused("400", self.url + "/cert/mesh.git", *args)
        self.refused("403", self.url + "/cert/mesh.git", *self.ca)

    def test_a_server_that_insists_on_client_certificates(self):
        url = f"https://localhost:{self.servers.strict}/open/mesh.git"
        self.servers.make_certificate("client", host="vm1")
        self.servers.make_certificate("late", host="vm1", days="-1")
        self.refused("may want a client certificate (source.certFile)", url, *self.ca)
        for name, words in (("client", None), ("late", "may not take the client certificate")):
            args = [*self.ca, "--source-cert-file", self.servers.path(name + ".crt"), "--source-key-file", self.servers.path(name + ".key")]
            if words:
                self.refused(words, url, *args)
            else:
                self.validate(url, *args)
        self.refused("unable to set private key file", url, *self.ca, "--source-cert-file", self.servers.path("client.crt"),
                     "--source-key-file", self.servers.path("late.key"))

    def test_a_server_with_the_oldest_protocol(self):
        self.validate(self.url + "/old/mesh.git", *self.ca)
        self.validate(self.url + "/old/mesh.git", *self.ca, "--ref", "main")
        self.refused("no branch 'mian', did you mean 'main'?", self.url + "/old/mesh.git", *self.ca, "--ref", "mian")
        self.git("init", "-q", "--object-format=sha256", self.path("repos/sha256.git"), cwd=self.dir)
        self.git("commit", "--allow-empty", "-qm", "x", cwd=self.path("repos/sha256.git"))
        self.refused("SHA-256", self.url + "/old/sha256.git", *self.ca)

    def test_redirects_stay_on_the_server(self):
        token = ("--source-token-file", self.secret("token", self.servers.token))
        self.validate(self.url + "/moved/mesh.git", *self.ca, *token)
        self.validate(self.url + "/renamed/mesh.git", *self.ca, *token)
        self.refused("no such repository", self.url + "/renamed/other.git", *self.ca, *token)
        self.refused("more than 5 times", self.url + "/loop/mesh.git", *self.ca, *token)
        for way, words in (("/away/mesh.git", self.there), ("/name/mesh.git", "127.0.0.1"),
                           ("/plain/mesh.git", "http://localhost"), ("/metadata/mesh.git", "http://169.254.169.254:80")):
            self.refused(words, self.url + way, *self.ca, *token)
        self.assertEqual(self.other.sent(), [])

    def test_an_unchanged_poll_is_one_small_answer(self):
        head = self.git("rev-parse", "HEAD")
        self.write("repos/mesh.git/.git/packed-refs", "# pack-refs with: peeled fully-peeled sorted \n" +
                   "".join(f"{head} refs/heads/x{n:05}\n" for n in range(10000)))
        self.apply(self.url + "/open/mesh.git", "--ref", "main", *self.ca)
        self.servers.sent()
        self.apply(self.url + "/open/mesh.git", "--ref", "main", *self.ca)
        answers = self.servers.sent()
        self.assertEqual([a[1:4] for a in answers], [("POST", "/open/mesh.git/git-upload-pack", 200)])
        self.assertLess(answers[0][4], 1024)
        new = self.commit("two")
        self.apply(self.url + "/open/mesh.git", "--ref", "main", *self.ca)
        self.assertEqual(len({a[0] for a in self.servers.sent()}), 1)  # one connection for all requests
        self.assertIn(new, self.enmesh("status", "--run-dir", "var/run", code=1).stdout)

    def test_force_push_deleted_branch_moved_tag_and_empty_repository(self):
        url = self.url + "/open/mesh.git"
        self.git("checkout", "-qb", "topic")
        self.commit("topic")
        self.git("tag", "v1")
        self.apply(url, "--ref", "topic", *self.ca)
        self.git("reset", "-q", "--hard", "main")
        self.commit("another")
        self.assertIn("does not descend", self.apply(url, "--ref", "topic", *self.ca, code=1).stderr)
        self.apply(url, "--ref", "refs/tags/v1", *self.ca)
        self.git("tag", "-f", "v1")
        self.assertIn("does not descend", self.apply(url, "--ref", "refs/tags/v1", *self.ca, code=1).stderr)
        self.git("checkout", "-q", "main")
        self.git("branch", "-qD", "topic")
        self.assertIn("no branch 'topic'", self.apply(url, "--ref", "topic", *self.ca, code=1).stderr)
        self.git("init", "-q", "--bare", self.path("repos/empty.git"), cwd=self.dir)
        self.refused("is empty", self.url + "/open/empty.git", *self.ca)
        self.git("clone", "-q", "--depth", "1", "file://" + self.path("repos/mesh.git"), self.path("repos/shallow.git"), cwd=self.dir)
        self.refused("is a shallow clone", self.url + "/open/shallow.git", *self.ca)
        self.git("init", "-q", "--object-format=sha256", self.path("repos/sha256.git"), cwd=self.dir)
        self.write("repos/sha256.git/mesh.yaml", MESH)
        self.git("add", "-A", cwd=self.path("repos/sha256.git"))
        self.git("commit", "-qm", "x", cwd=self.path("repos/sha256.git"))
        self.refused("SHA-256", self.url + "/open/sha256.git", *self.ca)

    def test_a_proxy(self):
        log = self.path("proxy.log")
        with open(log, "w") as f:
            proxy = subprocess.Popen([sys.executable, "-c", PROXY], stdout=subprocess.PIPE, stderr=f, text=True)
        self.addCleanup(lambda: (proxy.kill(), proxy.communicate()))
        port = int(proxy.stdout.readline())
        token = ("--source-token-file", self.secret("token", self.servers.token))
        self.validate(self.url + "/token/mesh.git", *self.ca, *token, "--source-proxy", f"http://127.0.0.1:{port}")
        self.assertEqual(proxy.stdout.readline(), f"CONNECT localhost:{self.servers.port} HTTP/1.1 without credentials\n")
        self.refused("Failed to connect", self.url + "/token/mesh.git", *self.ca, *token, "--source-proxy", "http://127.0.0.1:1")
        # What the environment says of proxies counts for nothing.
        env = clean_environment(https_proxy="http://127.0.0.1:1", HTTPS_PROXY="http://127.0.0.1:1", ALL_PROXY="http://127.0.0.1:1")
        self.validate(self.url + "/open/mesh.git", *self.ca, env=env)


class Bundles(Servers_):
    def setUp(self):
        super().setUp()
        os.mkdir(self.servers.path("files"))
        self.url = self.servers.https() + "/files/mesh.bundle"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path("key")], check=True)
        with open(self.path("key.pub")) as f:
            self.allowed = self.write("allowed", 'ci@example.com namespaces="enmesh-bundle" ' + f.read())
        self.options = ("--source-bundle", "--source-ca-file", self.servers.path("ca.crt"), "--allowed-signers-file", self.allowed)

    age = 1700000000

    def bundle(self, *args, source="repos/mesh.git", code=0, key="key", out=None):
        out = out or self.servers.path("files/mesh.bundle")
        r = self.enmesh("bundle", source, "--key", self.path(key), "--out", out, *args, code=code)
        if code == 0:  # nginx's entity tag is size and second
            self.age += 10
            os.utime(out, (self.age, self.age))
        return r

    def test_nodes_take_a_revision_from_a_web_server(self):
        self.bundle("--sequence", "1")
        self.assertIn("Valid: mesh demo", self.validate(self.url, *self.options).stdout)
        self.apply(self.url, *self.options)
        self.servers.sent()
        self.assertIn("No changes", self.apply(self.url, *self.options).stdout)
        answers = self.servers.sent()
        self.assertEqual([a[1:4] for a in answers], [("GET", "/files/mesh.bundle", 304)])
        self.assertLess(answers[0][4], 1024)
        self.commit("two")
        self.bundle("--sequence", "2")
        self.apply(self.url, *self.options)
        self.bundle("--sequence", "1")
        self.assertIn("its sequence 1 is below 2", self.apply(self.url, *self.options, code=1).stderr)
        self.apply(self.url, *self.options, "--last-good")
        self.apply(self.url, *self.options, "--allow-rollback")
        os.remove(self.servers.path("files/mesh.bundle"))
        self.assertIn("404", self.apply(self.url, *self.options, code=1).stderr)
        self.apply(self.url, *self.options, "--offline")

    def test_only_what_is_signed_for_it_is_used(self):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path("stranger")], check=True)
        self.bundle(key="stranger")
        self.refused("is not among the allowed signers", self.url, *self.options)
        self.bundle()
        path = self.servers.path("files/mesh.bundle")
        with open(path, "rb") as f:
            good = f.read()
        for bad in (good.replace(b"10.0.0.1", b"10.0.0.2"), good[:3000], b"nonsense", b"", good.replace(b"bundle.tar.sig", b"bundle.tar.sih")):
            with open(path, "wb") as f:
                f.write(bad)
            self.refused("is refused", self.url, *self.options)
        with open(path, "wb") as f:
            f.write(good)
        self.validate(self.url, *self.options)
        with open(self.path("key.pub")) as f:
            self.write("allowed", 'ci@example.com namespaces="git" ' + f.read())
        self.refused("not for enmesh-bundle", self.url, *self.options)
        self.refused("only if it is signed", self.url, "--source-bundle", code=64)
        self.refused("no path", self.url, *self.options, "--ref", "main", code=64)

    def test_a_bundle_for_a_node_leaves_out_what_others_need(self):
        shutil.copytree(os.path.join(os.path.dirname(__file__), "../../examples/bookinfo"), self.path("bookinfo"))
        self.bundle(source="bookinfo", out=self.path("all.bundle"))
        self.bundle("--node", "vm2", source="bookinfo", out=self.path("one.bundle"))
        self.assertLess(os.path.getsize(self.path("one.bundle")), os.path.getsize(self.path("all.bundle")))
        shutil.copy(self.path("one.bundle"), self.servers.path("files/mesh.bundle"))
        render = ("--node", "vm2", "-o", "json")
        url = self.enmesh("render", self.url, "--state-dir", "var/state", *USER, *self.options, *render).stdout
        there = self.enmesh("render", "bookinfo", *render, *USER).stdout
        self.assertEqual(url.split('"targets"')[1], there.split('"targets"')[1])
        self.bundle("--node", "nobody", source="bookinfo", code=1)

    def test_mistakes(self):
        self.assertIn("--key", self.enmesh("bundle", "repos/mesh.git", code=64).stderr)
        self.assertIn("did not sign", self.bundle(key="nothing", code=1).stderr)
        self.bundle("--sequence", "x", code=64)
        self.write("repos/mesh.git/mesh.yaml", "kind: [")
        self.assertIn("mesh.yaml:2", self.bundle(code=1).stderr)
        self.assertFalse(os.path.exists(self.servers.path("files/mesh.bundle")))
        self.assertEqual([n for n in os.listdir("/tmp") if n.startswith("enmesh-bundle-")], [])


PROXY = """
import socket, threading
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
def pump(a, b):
    while data := a.recv(65536):
        b.sendall(data)
    b.shutdown(socket.SHUT_WR)
while True:
    client, _ = server.accept()
    head = client.recv(65536).decode()
    print(head.split("\\r\\n")[0], "with" if "authorization" in head.lower() else "without", "credentials", flush=True)
    host, port = head.split()[1].split(":")
    there = socket.create_connection((host, int(port)))
    client.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
    threading.Thread(target=pump, args=(client, there), daemon=True).start()
    threading.Thread(target=pump, args=(there, client), daemon=True).start()
"""


class Ssh(Servers_):
    def setUp(self):
        super().setUp()
        self.url = self.servers.ssh() + "/mesh.git"
        self.name = f"[localhost]:{self.servers.ssh_port}"
        self.key = ("--ssh-key-file", self.servers.path("user"))

    def known(self, *lines):
        return ("--known-hosts-file", self.write("known", "# hosts\n" + "".join(line + "\n" for line in lines)))

    def all_keys(self, name=None):
        return [f"{name or self.name} {self.servers.host_key(k)}" for k in ("ed25519", "rsa", "ecdsa")]

    def test_a_known_server_is_used(self):
        self.validate(self.url, *self.key, *self.known(*self.all_keys()))
        # Several keys of a host, hashed names, a list of names, comments and damaged lines do not matter.
        path = self.known(*self.all_keys("example.com"), *self.all_keys())[1]
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
        with open(path, "r+") as f:
            lines = f.read()
            self.assertNotIn(self.name, lines)
            f.seek(0)
            f.write(f"damaged\nother,{self.name} ssh-ed25519 AAAA\n" + lines)
        self.validate(self.url, *self.key, "--known-hosts-file", path)
        self.validate(self.url, *self.key, *self.known(*self.all_keys("[local*]:*,!nobody")), env={"PATH": os.environ["PATH"]})

    def test_a_server_is_asked_for_the_key_that_is_known(self):
        # It has several, and shows one of them.
        for kind in ("ed25519", "ecdsa"):
            line = f"{self.name} {self.servers.host_key(kind)}"
            self.validate(self.url, *self.key, *self.known(line))
            self.validate(self.url, *self.key, *self.known(f"{self.name} ssh-dss AAAAB3NzaC1kc3MAAACB", line + " comment"))
            path = self.known(line)[1]
            subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
            self.validate(self.url, *self.key, "--known-hosts-file", path, "--ref", self.git("rev-parse", "HEAD"))
        # libssh2 has RSA keys with SHA-1 only, which servers do not offer any more.
        self.refused("of other algorithms only", self.url, *self.key, *self.known(f"{self.name} {self.servers.host_key('rsa')}"))
        self.refused("another key", self.url, *self.key, *self.known(*(
            line.replace(self.name, "example.com") if "ecdsa" not in line else f"{self.name} {line.split()[1]} {other}"
            for line, other in zip(self.all_keys(), ["", "", "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABB"]))))
        self.refused("(known hosts: ", self.url, *self.key, *self.known())

    def test_a_server_that_is_not_known_is_never_trusted(self):
        for lines, words in (
                ([], "is not among the known hosts"),
                (self.all_keys("localhost"), "is not among the known hosts"),
                ([f"{self.name} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJyb2tlbmJyb2tlbmJyb2tlbmJyb2tlbmJyb2tl",
                  f"{self.name} ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABB"], "another key"),
                ([f"@revoked * {self.servers.host_key(k)}" for k in ("ed25519", "rsa", "ecdsa")] + self.all_keys(), "revoked"),
                ([f"@cert-authority * {self.servers.host_key('ed25519')}"], "certificates are not supported"),
                (["!" + line for line in self.all_keys()], "is not among the known hosts")):
            self.refused(words, self.url, *self.key, *self.known(*lines))
        self.refused("of other algorithms only", self.url, *self.key, *self.known(
            f"{self.name} ssh-dss AAAAB3NzaC1kc3MAAACB"))
        self.refused("/etc/enmesh/known_hosts" if not os.path.exists("/etc/enmesh/known_hosts") else "known hosts", self.url, *self.key)

    def test_keys_that_do_not_do(self):
        known = self.known(*self.all_keys())
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path("stranger")], check=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-m", "PEM", "-N", "secret", "-f", self.path("locked")], check=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", self.path("closed")], check=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", self.path("rsa")], check=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", self.path("ecdsa")], check=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-m", "PEM", "-N", "", "-f", self.path("pem")], check=True)
        with open(self.servers.path("authorized"), "a") as f:
            for name in ("rsa", "ecdsa", "pem"):
                with open(self.path(name + ".pub")) as key:
                    f.write(key.read())
        self.validate(self.url, *known, "--ssh-key-file", self.path("ecdsa"))
        self.validate(self.url, *known, "--ssh-key-file", self.path("pem"))
        self.refused("RSA", self.url, *known, "--ssh-key-file", self.path("rsa"))
        self.secret("public", open(self.servers.path("user.pub")).read())
        self.refused("the settings name none", self.url, *known)
        self.refused("does not take the ssh key", self.url, *known, "--ssh-key-file", self.path("stranger"))
        self.refused("has a passphrase", self.url, *known, "--ssh-key-file", self.path("locked"))
        self.refused("passphrase", self.url, *known, "--ssh-key-file", self.path("closed"))
        self.refused("holds a public key", self.url, *known, "--ssh-key-file", self.path("public"))
        os.chmod(self.path("stranger"), 0o640)
        self.refused("has mode 0640", self.url, *known, "--ssh-key-file", self.path("stranger"))


class Daemon(Servers_):
    def test_git_needs_signatures(self):
        url = self.servers.daemon() + "/mesh.git"
        self.refused("require signatures", url, code=64)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path("key")], check=True)
        with open(self.path("key.pub")) as f:
            allowed = ("--allowed-signers-file", self.write("allowed", "a@example.com " + f.read()))
        self.refused("the commit is not signed", url, *allowed)
        self.git("-c", "gpg.format=ssh", "-c", f"user.signingkey={self.path('key')}", "commit", "-S", "--allow-empty", "-qm", "x")
        self.validate(url, *allowed)


if __name__ == "__main__":
    lacking = missing("git", "nginx", "fcgiwrap", "sshd", "ssh-keygen", "openssl")
    if lacking:
        print(f"skipped: needs {lacking}")
        sys.exit(77)
    alone()
    main()
