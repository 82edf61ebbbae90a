"""What services of review run: test_ci.py ENMESH CHECK_JSON SCHEMA_DIR. The formats of `validate`, and contrib/ci in a real
repository; its files are checked by their own linters where these are installed."""
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

from cli_case import ENMESH, MESH, Case, clean_environment, main

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CI = os.path.join(TOP, "contrib/ci")
PARTS = os.environ.get("PARTS_DIR") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
                                                    "enmesh-parts")
BROKEN = MESH.replace("addresses", "addreses").replace("metadata: {name: demo}", "metadata: {name: demo}\n# 100%, a: b")
SELECTS_NOTHING = """---
apiVersion: enmesh.io/v1alpha1
kind: MeshService
metadata: {name: lost, namespace: shop}
spec: {nodes: {matchLabels: {app: none}}, ports: [{name: http, port: 80}]}
"""


class Checks(Case):
    def setUp(self):
        super().setUp()
        self.git("init", "-q", "-b", "main", self.path("repo"), cwd=self.dir)
        self.write("repo/mesh/mesh.yaml", MESH)
        self.git("add", "-A")
        self.git("commit", "-qm", "one")

    def git(self, *args, cwd=None, **kw):
        names = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        kw.setdefault("check", True)
        return subprocess.run(["git", *names, *args], cwd=cwd or self.path("repo"), capture_output=True, text=True,
                              env={**clean_environment(), "GIT_CONFIG_GLOBAL": "/dev/null", "ENMESH": ENMESH,
                                   "ENMESH_SOURCE": "mesh"}, **kw)

    def break_it(self):
        self.write("repo/mesh/mesh.yaml", BROKEN + SELECTS_NOTHING)
        self.write("repo/mesh/two words.yaml", SELECTS_NOTHING)

    def validate(self, form, code=1, source="mesh", cwd="repo"):
        return self.enmesh("validate", source, "-o", form, code=code, cwd=self.path(cwd)).stdout

    # ---- formats ----

    def sarif(self, **kw):
        """What SARIF 2.1.0 (OASIS) demands of a log with what this one uses."""
        log = json.loads(self.validate("sarif", **kw))
        self.assertEqual(set(log), {"$schema", "version", "runs"})
        self.assertEqual(log["version"], "2.1.0")
        (run,) = log["runs"]
        self.assertEqual(set(run), {"tool", "columnKind", "results"})
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        self.assertRegex(run["tool"]["driver"]["semanticVersion"], r"^\d+\.\d+\.\d+$")
        for result in run["results"]:
            self.assertEqual(set(result), {"ruleId", "level", "message", "locations"})
            self.assertIn(result["ruleId"], rules)
            self.assertIn(result["level"], ("error", "warning"))
            for location in result["locations"]:
                place = location["physicalLocation"]
                self.assertRegex(place["artifactLocation"]["uri"], r"^[A-Za-z0-9/._~%-]+$")
                self.assertGreaterEqual(min(place.get("region", {"startLine": 1}).values()), 1)
        return [(r["level"], r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]) for r in run["results"]]

    def test_sarif(self):
        self.assertEqual(self.sarif(code=0), [])
        self.break_it()
        self.assertIn(("error", "mesh/mesh.yaml"), self.sarif())
        self.assertIn(("error", "mesh/two%20words.yaml"), self.sarif())
        # Files are named from the root of the repository, wherever somebody stands.
        for source, cwd in ((".", "repo/mesh"), ("../mesh/", "repo/mesh"), (self.path("repo/mesh"), "."), ("./x/../repo//mesh", ".")):
            if "x" in source:
                os.makedirs(self.path("x"), exist_ok=True)
            self.assertEqual(self.sarif(source=source, cwd=cwd), self.sarif(), source)

    def test_junit(self):
        suites = ElementTree.fromstring(self.validate("junit", code=0))
        self.assertEqual([c.get("name") for c in suites.iter("testcase")], ["mesh/mesh.yaml"])
        self.break_it()
        self.write("repo/mesh/ok.yaml", "# nothing \x01 <&>\n")
        suites = ElementTree.fromstring(self.validate("junit"))
        cases = {c.get("name"): c for c in suites.iter("testcase")}
        self.assertEqual(int(suites.get("tests")), len(cases))
        self.assertEqual(int(suites.get("failures")), sum(c.find("failure") is not None for c in cases.values()))
        self.assertIn("mesh/mesh.yaml:10:8: error: unknown field 'addreses'", cases["mesh/mesh.yaml"].find("failure").text)
        shutil.rmtree(self.path("repo/mesh"))
        suites = ElementTree.fromstring(self.validate("junit"))
        self.assertEqual([c.get("name") for c in suites.iter("testcase") if c.find("failure") is not None], ["source"])

    def peak(self, form):
        with open(os.devnull, "w") as null:
            child = subprocess.Popen([ENMESH, "validate", "many", "-o", form], cwd=self.path("repo"), stdout=null, stderr=null,
                                     env=clean_environment())
            _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(child.returncode, 1)
        return usage.ru_maxrss

    def test_junit_of_many_files_costs_no_more_than_their_diagnostics(self):
        fields = ", ".join(f"bad{i}: 1" for i in range(5))
        for i in range(500):
            self.write(f"repo/many/{i}.yaml", SELECTS_NOTHING.replace("ports:", f"{fields}, ports:").replace("lost", f"s{i}"))
        self.assertLess(self.peak("junit"), 3 * self.peak("sarif"))

    def test_github(self):
        self.assertEqual(self.validate("github", code=0), "")
        self.break_it()
        lines = self.validate("github").splitlines()
        self.assertTrue(lines)
        for line in lines:
            self.assertRegex(line, r"^::(error|warning) (file=[^,:]+,)?(line=\d+,col=\d+,)?title=enmesh::[^\r\n]+$")
        self.assertTrue(any(line.startswith("::error file=mesh/mesh.yaml,line=10,col=8,title=enmesh::unknown field 'addreses'")
                            for line in lines))
        self.write("repo/mesh/a,b:100%.yaml", "kind: [")
        self.assertIn("file=mesh/a%2Cb%3A100%25.yaml,", self.validate("github"))

    # ---- scripts ----

    def check_script(self, code=0, **env):
        r = subprocess.run([os.path.join(CI, "check"), "mesh", *(["HEAD"] if code == 0 else [])], cwd=self.path("repo"),
                           capture_output=True, text=True,
                           env={**clean_environment(), "ENMESH": ENMESH, "ENMESH_OUT": self.path("out"), **env})
        self.assertEqual(r.returncode, code, r.stdout + r.stderr)
        return r

    def out(self, name):
        with open(self.path("out", name)) as f:
            return f.read()

    def test_check_shows_the_effect_of_a_change(self):
        self.write("repo/mesh/more.yaml", MESH.split("---\n")[1].replace("vm1", "vm2"))
        self.check_script(GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=self.path("summary"))
        self.assertIn("Node vm2, new in the source", self.out("diff.md"))
        self.check("comparison", self.out("diff.json"))
        with open(self.path("summary")) as f:
            self.assertEqual(f.read(), self.out("diff.md"))
        self.assertEqual(json.loads(self.out("sarif.json"))["runs"][0]["results"], [])

    def test_check_fails_for_a_source_that_is_not_valid(self):
        self.break_it()
        r = self.check_script(code=1, GITHUB_ACTIONS="true")
        self.assertIn("::error file=mesh/mesh.yaml", r.stdout)
        self.assertIn("unknown field", r.stderr)
        self.assertIn("<failure", self.out("junit.xml"))
        self.assertFalse(os.path.exists(self.path("out/diff.md")))

    def test_check_without_an_earlier_revision_compares_nothing(self):
        r = subprocess.run([os.path.join(CI, "check"), "mesh", "0" * 40], cwd=self.path("repo"), capture_output=True, text=True,
                           env={**clean_environment(), "ENMESH": ENMESH, "ENMESH_OUT": self.path("out")})
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn("no earlier revision", r.stderr)
        self.assertFalse(os.path.exists(self.path("out/diff.md")))

    def test_hook_looks_at_what_is_staged(self):
        shutil.copy(os.path.join(CI, "pre-commit"), self.path("repo/.git/hooks/pre-commit"))
        self.break_it()
        self.git("commit", "-qm", "nothing of it", "--allow-empty")
        self.git("add", "-A")
        r = self.git("commit", "-qm", "broken", check=False)
        self.assertEqual(r.returncode, 1)
        self.assertIn("unknown field", r.stderr)
        self.git("commit", "-qm", "broken", "--no-verify")

    # ---- linters ----

    def test_yaml(self):
        if not shutil.which("yamllint"):
            self.skipTest("needs yamllint")
        rules = "{extends: default, rules: {line-length: {max: 150}}}"
        subprocess.run(["yamllint", "-s", "-d", rules, *(os.path.join(CI, f) for f in ("github.yml", "gitlab.yml")),
                        os.path.join(TOP, ".pre-commit-hooks.yaml")], check=True)

    def test_github_workflow(self):
        actionlint = shutil.which("actionlint", path=os.environ["PATH"] + ":" + os.path.join(PARTS, "bin"))
        if not actionlint:
            self.skipTest("needs actionlint (tests/parts/get actionlint)")
        shutil.copytree(CI, self.path("repo/.github/workflows"), ignore=lambda d, names: {n for n in names if n != "github.yml"})
        r = subprocess.run([actionlint, "-no-color"], cwd=self.path("repo"), capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stdout)
        with open(os.path.join(CI, "github.yml")) as f:
            self.assertFalse(re.search(r"run:.*\$\{\{", f.read()), "an expression in a script is an injection")

    def test_scripts(self):
        if not shutil.which("shellcheck"):
            self.skipTest("needs shellcheck")
        subprocess.run(["shellcheck", os.path.join(CI, "check"), os.path.join(CI, "pre-commit")], check=True)


if __name__ == "__main__":
    if not shutil.which("git"):
        print("skipped: needs git")
        sys.exit(77)
    main()
