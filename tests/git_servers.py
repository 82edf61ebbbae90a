"""Real git servers on loopback, for tests and benchmarks: git http-backend behind nginx with TLS, sshd, git daemon; and a
certificate authority of their own. Everything lives in one temporary directory, and ends with close()."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PROGRAMS = {"nginx": "/usr/sbin/nginx", "fcgiwrap": "/usr/sbin/fcgiwrap", "sshd": "/usr/sbin/sshd"}
NGINX = """
daemon off; master_process off; pid %(dir)s/nginx.pid; error_log %(dir)s/nginx.log; %(user)s
events {}
http {
  access_log %(dir)s/access.log combined; client_body_temp_path %(dir)s/t1; proxy_temp_path %(dir)s/t2;
  fastcgi_temp_path %(dir)s/t3; uwsgi_temp_path %(dir)s/t4; scgi_temp_path %(dir)s/t5; keepalive_timeout 60;
  log_format sent '$connection $request_method $uri $status $bytes_sent';
  access_log %(dir)s/sent.log sent;
  server {
    listen 127.0.0.1:%(port)d ssl; server_name localhost;
    ssl_certificate %(dir)s/server.crt; ssl_certificate_key %(dir)s/server.key;
    ssl_client_certificate %(dir)s/ca.crt; ssl_verify_client optional;
    set $ok yes;
    location ~ ^/open(/.*)$ { set $path $1; include %(dir)s/git.conf; }
    location ~ ^/basic(/.*)$ { set $path $1; auth_basic git; auth_basic_user_file %(dir)s/users; include %(dir)s/git.conf; }
    location ~ ^/token(/.*)$ { set $path $1; if ($http_authorization != "Bearer %(token)s") { return 401; } include %(dir)s/git.conf; }
    location ~ ^/cert(/.*)$ { set $path $1; if ($ssl_client_verify != SUCCESS) { return 403; } include %(dir)s/git.conf; }
    location ~ ^/moved(/.*)$ { return 301 https://localhost:%(port)d/open$1$is_args$args; }
    location ~ ^/renamed(/.*)$ { if ($request_method = POST) { return 404; } return 301 https://localhost:%(port)d/open$1$is_args$args; }
    location ~ ^/loop(/.*)$ { return 302 https://localhost:%(port)d/loop$1$is_args$args; }
    location ~ ^/away(/.*)$ { return 302 https://%(away)s/open$1$is_args$args; }
    location ~ ^/name(/.*)$ { return 302 https://127.0.0.1:%(port)d/open$1$is_args$args; }
    location ~ ^/plain(/.*)$ { return 302 http://localhost:%(port)d/open$1$is_args$args; }
    location ~ ^/metadata(/.*)$ { return 302 http://169.254.169.254/latest$1$is_args$args; }
    location ~ ^/old(/.*)$ { set $path $1; fastcgi_pass_request_headers off; include %(dir)s/git-old.conf; }
    location /html { default_type text/html; return 200 "<html>sign in</html>"; }
    location /files { root %(dir)s; }
  }
  server {
    listen 127.0.0.1:%(strict)d ssl; ssl_certificate %(dir)s/server.crt; ssl_certificate_key %(dir)s/server.key;
    ssl_client_certificate %(dir)s/ca.crt; ssl_verify_client on;
    location ~ ^/open(/.*)$ { set $path $1; include %(dir)s/git.conf; }
  }
  %(more)s
}
"""
CERTIFICATES = "  server { listen 127.0.0.1:%d ssl; ssl_certificate %s.crt; ssl_certificate_key %s.key; %s }\n"
GIT_CONF = """
fastcgi_pass unix:%(dir)s/cgi; fastcgi_param SCRIPT_FILENAME %(core)s/git-http-backend; fastcgi_param PATH_INFO $path;
fastcgi_param GIT_PROJECT_ROOT %(root)s; fastcgi_param GIT_HTTP_EXPORT_ALL 1; fastcgi_param QUERY_STRING $query_string;
fastcgi_param REQUEST_METHOD $request_method; fastcgi_param CONTENT_TYPE $content_type; fastcgi_param CONTENT_LENGTH $content_length;
fastcgi_param HTTP_GIT_PROTOCOL $http_git_protocol; fastcgi_param GIT_PROTOCOL $http_git_protocol;
fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding; fastcgi_param REMOTE_USER $remote_user;
fastcgi_param GIT_CONFIG_COUNT 1; fastcgi_param GIT_CONFIG_KEY_0 safe.directory; fastcgi_param GIT_CONFIG_VALUE_0 *;
"""
# openssl x509 cannot make a certificate whose time is to come.
CA_CONF = """
[ca]
default_ca = this
[this]
database = index.txt
serial = serial.txt
new_certs_dir = .
default_md = sha256
policy = names
[names]
commonName = supplied
"""
SSHD = """
ListenAddress 127.0.0.1:%(port)d
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
AuthorizedKeysFile %(dir)s/authorized
SetEnv GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*
%(keys)s
"""


def missing(*names):
    """The first of the programs that is not there, or None."""
    return next((n for n in names if not shutil.which(PROGRAMS.get(n, n))), None)


def alone():
    """Starts the program again in a network namespace of its own, where nobody else has ports; as root only."""
    if os.geteuid() == 0 and os.environ.get("ENMESH_TEST_ALONE") != "yes" and \
            subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0:
        os.environ["ENMESH_TEST_ALONE"] = "yes"
        os.execvp("unshare", ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, *sys.argv])


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process, log):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.01)
    with open(log, errors="replace") as f:
        raise RuntimeError(f"nothing listens on port {port}: {f.read()}")


class Servers:
    """root: directory with the repositories, which are reached as URL/NAME."""

    token = "canary-token-4711"
    password = "canary/pass word+4712"

    def __init__(self, root):
        self.root = os.path.abspath(root)
        self.dir = tempfile.mkdtemp(prefix="enmesh-git-")
        os.chmod(self.dir, 0o755)
        self.processes = []
        self.make_ca()

    def close(self):
        for process in reversed(self.processes):
            # With what it has started: fcgiwrap's children do not notice that it is gone.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w") as f:
            f.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def start(self, argv, log, **kw):
        with open(self.path(log), "w") as f:
            self.processes.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=f, stderr=f, start_new_session=True, **kw))
        return self.processes[-1]

    # ---- certificates ----

    def openssl(self, *args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=self.dir)

    def make_ca(self, name="ca"):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
                     "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt")

    def make_certificate(self, name, host="localhost", ca="ca", days="30", start=None):
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={host}",
                     "-keyout", f"{name}.key", "-out", f"{name}.csr")
        self.write(f"{name}.ext", f"subjectAltName=DNS:{host},IP:127.0.0.1\n" if host == "localhost" else
                   f"subjectAltName=DNS:{host}\n")
        if start:
            self.write("ca.conf", CA_CONF)
            self.write("index.txt", "")
            self.openssl("ca", "-batch", "-notext", "-rand_serial", "-config", "ca.conf", "-cert", f"{ca}.crt", "-keyfile", f"{ca}.key",
                         "-in", f"{name}.csr", "-extfile", f"{name}.ext", "-startdate", start, "-enddate", "99991231235959Z",
                         "-out", f"{name}.crt")
            os.chmod(self.path(f"{name}.key"), 0o600)
            return
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-CAcreateserial", "-days",
                     days, "-extfile", f"{name}.ext", "-out", f"{name}.crt")
        os.chmod(self.path(f"{name}.key"), 0o600)

    # ---- https ----

    def https(self, certificates=(), away="localhost:1"):
        """Starts it; certificates: names of others, each served on a port of its own (self.ports); away: where /away leads."""
        self.port, self.strict = free_port(), free_port()
        self.ports = {name: free_port() for name in certificates}
        self.make_certificate("server")
        core = subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True).stdout.strip()
        values = {"dir": self.dir, "port": self.port, "token": self.token, "core": core, "root": self.root, "away": away, "strict": self.strict,
                  "user": "user root;" if os.geteuid() == 0 else "",
                  "more": "".join(CERTIFICATES % (port, self.path(name), self.path(name),
                                                  f"location ~ ^/open(/.*)$ {{ set $path $1; include {self.dir}/git.conf; }}")
                                  for name, port in self.ports.items())}
        hashed = subprocess.run(["openssl", "passwd", "-apr1", self.password], check=True, capture_output=True, text=True).stdout
        self.write("users", "deploy:" + hashed)
        self.write("git.conf", GIT_CONF % values)
        # As where nobody hands the header on: git then speaks its oldest protocol.
        self.write("git-old.conf", "".join(GIT_CONF.partition("fastcgi_param HTTP_GIT_PROTOCOL")[::2]).replace(
            " $http_git_protocol; fastcgi_param GIT_PROTOCOL $http_git_protocol;", "") % values)
        self.write("nginx.conf", NGINX % values)
        self.start([PROGRAMS["fcgiwrap"], "-c", "2", "-s", f"unix:{self.dir}/cgi"], "fcgiwrap.log")
        nginx = self.start([PROGRAMS["nginx"], "-c", self.path("nginx.conf"), "-p", self.dir], "nginx.out")
        wait_for(self.port, nginx, self.path("nginx.out"))
        return f"https://localhost:{self.port}"

    def sent(self):
        """What was answered since the last time: (connection, method, path, status, bytes), …"""
        with open(self.path("sent.log")) as f:
            lines = [line.split() for line in f]
        new, self.seen = lines[getattr(self, "seen", 0):], len(lines)
        return [(c, method, path, int(status), int(n)) for c, method, path, status, n in new]

    # ---- ssh ----

    def ssh(self, kinds=("ed25519", "rsa", "ecdsa")):
        self.ssh_port = free_port()
        for kind in kinds:
            subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", self.path(f"host_{kind}")], check=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path("user")], check=True)
        shutil.copy(self.path("user.pub"), self.path("authorized"))
        keys = "".join(f"HostKey {self.dir}/host_{kind}\n" for kind in kinds)
        self.write("sshd_config", SSHD % {"dir": self.dir, "port": self.ssh_port, "keys": keys})
        os.makedirs("/run/sshd", exist_ok=True)
        sshd = self.start([PROGRAMS["sshd"], "-D", "-e", "-f", self.path("sshd_config")], "sshd.log")
        wait_for(self.ssh_port, sshd, self.path("sshd.log"))
        return f"ssh://{os.environ.get('USER', 'root')}@localhost:{self.ssh_port}{self.root}"

    def host_key(self, kind):
        with open(self.path(f"host_{kind}.pub")) as f:
            return " ".join(f.read().split()[:2])

    # ---- git daemon ----

    def daemon(self):
        port = free_port()
        process = self.start(["git", "daemon", "--reuseaddr", "--export-all", f"--base-path={self.root}", "--listen=127.0.0.1",
                              f"--port={port}"], "daemon.log",
                             env={**os.environ, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
                                  "GIT_CONFIG_VALUE_0": "*"})
        wait_for(port, process, self.path("daemon.log"))
        return f"git://localhost:{port}"
