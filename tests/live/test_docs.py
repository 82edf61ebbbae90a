"""Manual pages and completions, as built: test_docs.py DIR. What has no checker on this machine is left out, and said."""
import os
import re
import shutil
import subprocess
import sys
import unittest

DIR = os.path.abspath(sys.argv[1])
COMMANDS = ["init", "validate", "render", "diff", "apply", "run", "trace", "verify", "status", "bundle", "import", "cleanup", "help"]


def need(tool):
    return unittest.skipUnless(shutil.which(tool), f"{tool} is not installed")


class Manual(unittest.TestCase):
    def test_every_command_has_a_page(self):
        pages = {f for f in os.listdir(DIR) if re.search(r"\.[15]$", f)}
        self.assertEqual(pages, {"enmesh.1", "enmesh.yaml.5"} | {f"enmesh-{c}.1" for c in COMMANDS})

    @need("mandoc")
    def test_pages_are_clean(self):
        for page in sorted(os.listdir(DIR)):
            if not re.search(r"\.[15]$", page):
                continue
            r = subprocess.run(["mandoc", "-Tlint", "-Wall", os.path.join(DIR, page)], capture_output=True, text=True)
            # Our own pages are not installed yet.
            lines = [line for line in r.stdout.splitlines() if "referenced manual not found: Xr enmesh" not in line]
            self.assertEqual(lines, [])


class Completion(unittest.TestCase):
    def bash(self, *words):
        script = ('source "$1"; shift; compopt() { :; }; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _enmesh; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        r = subprocess.run(["bash", "-uec", script, "bash", os.path.join(DIR, "enmesh"), *words], capture_output=True,
                           text=True, check=True)
        return r.stdout.split()

    @need("bash")
    def test_bash(self):
        self.assertEqual(self.bash("enmesh", ""), COMMANDS)
        self.assertEqual(self.bash("enmesh", "a"), ["apply"])
        self.assertEqual(self.bash("enmesh", "--v"), ["--version"])
        self.assertEqual(self.bash("enmesh", "diff", "--nod"), ["--node"])
        self.assertEqual(self.bash("enmesh", "apply", "--no-w"), ["--no-wait"])
        self.assertEqual(self.bash("enmesh", "diff", "-o", ""), ["text", "json", "markdown"])
        self.assertEqual(self.bash("enmesh", "diff", "--output", "=", "j"), ["json"])
        self.assertEqual(self.bash("enmesh", "diff", "--output", "="), ["text", "json", "markdown"])
        self.assertIn("capture", self.bash("enmesh", "diff", "--target", ""))
        self.assertEqual(self.bash("enmesh", "help", "cl"), ["cleanup"])
        self.assertEqual(self.bash("enmesh", "diff", "/et"), ["/etc"])
        self.assertEqual(self.bash("enmesh", "import", ""), ["istio"])
        self.assertEqual(self.bash("enmesh", "import", "istio", "/etc/hostn"), ["/etc/hostname"])
        self.assertEqual(self.bash("enmesh", "nonsense", ""), [])

    @need("zsh")
    def test_zsh(self):
        subprocess.run(["zsh", "-n", os.path.join(DIR, "_enmesh")], check=True)

    @need("fish")
    def test_fish(self):
        path = os.path.join(DIR, "enmesh.fish")
        subprocess.run(["fish", "-n", path], check=True)
        r = subprocess.run(["fish", "-c", f"source {path}; complete -C 'enmesh diff --output '"], capture_output=True,
                           text=True, check=True)
        self.assertEqual(sorted(line.split()[0] for line in r.stdout.splitlines()), ["json", "markdown", "text"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
