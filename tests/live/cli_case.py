"""What the tests of the command line share. Arguments: ENMESH CHECK_JSON SCHEMA_DIR."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

ENMESH, CHECK_JSON, SCHEMAS = (os.path.abspath(p) for p in sys.argv[1:4])
IS_ROOT = os.geteuid() == 0
NODE = "vm1"

MESH = """\
apiVersion: enmesh.io/v1alpha1
kind: Mesh
metadata: {name: demo}
spec: {}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshNode
metadata: {name: vm1}
spec: {addresses: [10.0.0.1]}
"""


def clean_environment(**more):
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
    return dict(env, **more)


def may_make_network():
    return IS_ROOT and subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="enmesh-cli-")
        os.chmod(self.dir, 0o755)
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.prefix = []

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        return path

    def enmesh(self, *args, code=0, prefix=None, **kw):
        kw.setdefault("env", clean_environment())
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("cwd", self.dir)
        r = subprocess.run([*(self.prefix if prefix is None else prefix), ENMESH, *args], stderr=subprocess.PIPE,
                           text=True, errors="surrogateescape", timeout=60, **kw)
        self.assertEqual(r.returncode, code, f"enmesh {' '.join(args)}\n{r.stdout}{r.stderr}")
        return r

    def somebody(self):
        """What to put before a command that is to run without rights."""
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if IS_ROOT else []
        fetch = os.path.join(os.path.dirname(ENMESH), "enmesh-fetch")
        if subprocess.run([*prefix, "test", "-r", fetch]).returncode:
            self.skipTest(f"nobody may read {fetch}")
        return prefix

    def check(self, schema, text):
        path = self.write("checked.json", text)
        r = subprocess.run([CHECK_JSON, SCHEMAS, schema, path], capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stderr + text)
        return json.loads(text)

    def mesh(self):
        self.write("mesh/mesh.yaml", MESH)
        return "mesh"


def main():
    # Who starts tests in the background, or with nohup, has these ignored, and programs leave them so.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
