"""A git repository as the source: which revision a pass works on, what is kept of it, and what is said:
test_source.py ENMESH CHECK_JSON SCHEMA_DIR."""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

from cli_case import ENMESH, MESH, NODE, clean_environment, main, may_make_network
from machine_case import SERVICE, Machine

USER = "nobody"  # as whom enmesh-fetch runs here


class Source(Machine):
    def setUp(self):
        super().setUp()
        # Another user reads the repository, and has its own copy below here.
        os.chmod(self.dir, 0o755)
        os.makedirs(self.path("var"), mode=0o755)
        self.url = "file://" + self.path("repo")
        self.git("init", "-q", "-b", "main", self.path("repo"), cwd=self.dir)
        self.commit("one", "runAs: {user: 1001}")

    def git(self, *args, cwd=None):
        names = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", *names, *args], cwd=cwd or self.path("repo"), check=True, capture_output=True,
                              text=True, env={**clean_environment(), "GIT_CONFIG_GLOBAL": "/dev/null"}).stdout.strip()

    def commit(self, message, service=None, text=None, *args):
        self.write("repo/mesh.yaml", text or MESH + SERVICE % (service, ""))
        self.git("add", "-A")
        self.git("commit", "-qm", message, *args)
        return self.git("rev-parse", "HEAD")

    def run_enmesh(self, command, *args, code=0, source=None):
        options = ["--state-dir", "var/state", "--source-user", USER]
        if command == "apply":
            options += ["--node", NODE, "--run-dir", "var/run", "--no-wait"]
        r = self.enmesh(command, source or self.url, *options, *args, code=code)
        self.stderr = r.stderr
        return r.stdout

    def apply(self, *args, code=0, source=None):
        return self.run_enmesh("apply", *args, code=code, source=source)

    def status(self):
        with open(self.path("var/run/status.json")) as f:
            return json.load(f)

    def condition(self, kind):
        return next(c for c in self.status()["conditions"] if c["type"] == kind)

    def test_a_pass_works_on_the_commit_that_the_branch_is_at(self):
        head = self.git("rev-parse", "HEAD")
        self.apply()
        self.assertIn("1001 : goto", self.nft("list", "ruleset"))
        source = self.status()["source"]
        self.assertEqual({source[k] for k in ("observedRevision", "attemptedRevision", "appliedRevision")}, {head})
        self.assertEqual(self.condition("SourceReachable")["status"], "True")
        self.commit("two", "runAs: {user: 1002}")
        self.apply()
        self.assertIn("1002 : goto", self.nft("list", "ruleset"))
        head = self.git("rev-parse", "HEAD")
        self.assertEqual(sorted(os.listdir(self.path("var/state/good"))), [head + ".documents", head + ".tar"])

    def test_a_second_pass_writes_nothing_but_the_time_that_it_was_heard(self):
        self.apply()
        before = self.files("var/state")
        self.assertIn("No changes.", self.apply())
        self.assertEqual(self.files("var/state"), before)

    def files(self, directory):
        found = {}
        for at, _, names in os.walk(self.path(directory)):
            for name in names:
                st = os.stat(os.path.join(at, name))
                with open(os.path.join(at, name), "rb") as f:
                    found[os.path.join(at, name)] = (st.st_ino, f.read())
        return found

    def test_what_cannot_be_fetched_fails_and_with_last_good_does_not(self):
        self.apply()
        self.nft("delete", "table", "inet", "enmesh")
        os.rename(self.path("repo"), self.path("away"))
        self.apply(code=1)
        self.assertIn("cannot be fetched", self.stderr)
        self.assertNotIn("enmesh", self.nft("list", "tables"))
        self.apply("--last-good")
        self.assertIn("warning", self.stderr)
        self.assertIn("the last good revision", self.stderr)
        self.assertIn("1001 : goto", self.nft("list", "ruleset"))
        self.assertEqual(self.condition("SourceReachable")["status"], "False")
        self.assertEqual(self.condition("Stale")["status"], "False")
        self.assertEqual(self.condition("Ready")["status"], "False")
        os.rename(self.path("away"), self.path("repo"))
        self.apply()
        self.assertEqual(self.condition("SourceReachable")["status"], "True")

    def test_a_source_that_is_silent_for_three_intervals_is_stale(self):
        self.apply()
        os.utime(self.path("var/state/revision.json"), (time.time() - 200,) * 2)
        os.rename(self.path("repo"), self.path("away"))
        self.apply("--last-good")
        self.assertEqual(self.condition("Stale")["status"], "True")

    def test_offline_tries_no_network_and_needs_a_last_good_revision(self):
        self.apply("--offline", code=1)
        self.assertIn("no last good revision", self.stderr)
        self.apply()
        self.nft("delete", "table", "inet", "enmesh")
        shutil.rmtree(self.path("repo"))
        shutil.rmtree(self.path("var/run"))
        self.apply("--offline")
        self.assertIn("1001 : goto", self.nft("list", "ruleset"))
        self.assertEqual(self.stderr, "")

    def test_a_broken_revision_changes_nothing_and_with_last_good_drift_is_repaired(self):
        good = self.git("rev-parse", "HEAD")
        self.apply()
        bad = self.commit("broken", text=MESH + "\nnonsense: [")
        self.nft("delete", "table", "inet", "enmesh")
        self.apply(code=1)
        self.assertIn("mesh.yaml:", self.stderr)
        self.assertNotIn("enmesh", self.nft("list", "tables"))
        self.apply("--last-good")
        self.assertIn("mesh.yaml:", self.stderr)
        self.assertIn("1001 : goto", self.nft("list", "ruleset"))
        source = self.status()["source"]
        self.assertEqual(source["observedRevision"], bad)
        self.assertEqual(source["attemptedRevision"], good)
        self.assertEqual(self.condition("SourceValid")["reason"], "Refused")

    def test_a_revision_that_does_not_descend_from_the_last_good_one_is_refused(self):
        first = self.git("rev-parse", "HEAD")
        self.commit("two", "runAs: {user: 1002}")
        self.apply()
        self.git("reset", "-q", "--hard", first)
        self.apply(code=1)
        self.assertIn("does not descend", self.stderr)
        self.assertIn("allowRollback", self.stderr)
        self.assertIn("1002 : goto", self.nft("list", "ruleset"))
        self.commit("sibling", "runAs: {user: 1003}")
        self.apply(code=1)
        self.assertIn("does not descend", self.stderr)
        self.apply("--allow-rollback")
        self.assertIn("1003 : goto", self.nft("list", "ruleset"))

    def test_documents_that_did_not_change_are_not_read_again(self):
        """A line of what is kept is changed by hand: a pass that reads YAML would not see it."""
        self.write("repo/more.yaml", "apiVersion: enmesh.io/v1alpha1\nkind: MeshCapture\nmetadata: {name: other}\nspec: {}\n")
        self.commit("more", "runAs: {user: 1001}")
        self.apply()
        (kept,) = [self.path("var/state/good", n) for n in os.listdir(self.path("var/state/good")) if n.endswith(".documents")]
        with open(kept, "rb") as f:
            good = f.read()
        with open(kept, "wb") as f:
            f.write(good.replace(b"demo", b"dumo"))
        self.assertIn("mesh dumo,", self.run_enmesh("validate"))
        self.write("repo/more.yaml", "apiVersion: enmesh.io/v1alpha1\nkind: MeshCapture\nmetadata: {name: another}\nspec: {}\n")
        self.git("add", "-A")
        self.git("commit", "-qm", "only more")
        self.assertIn("mesh dumo,", self.run_enmesh("validate"))
        # What is damaged, or of another build, is read again, and written anew.
        for damage in (good[:len(good) // 2], b"", good.replace(b"enmesh-documents 1", b"enmesh-documents 0"), b"nonsense"):
            self.apply()
            (kept,) = [self.path("var/state/good", n) for n in os.listdir(self.path("var/state/good")) if n.endswith(".documents")]
            with open(kept, "wb") as f:
                f.write(damage)
            self.assertIn("mesh demo,", self.run_enmesh("validate"))

    def test_links_and_submodules_are_named_and_not_followed(self):
        os.symlink("/etc/passwd", self.path("repo/users.yaml"))
        self.commit("link", "runAs: {user: 1001}")
        self.run_enmesh("validate", code=1)
        self.assertIn("users.yaml: error: a symbolic link is not followed", self.stderr)
        self.write("repo/.enmeshignore", "users.yaml\n")
        self.commit("ignored", "runAs: {user: 1001}")
        self.run_enmesh("validate")
        self.git("update-index", "--add", "--cacheinfo", "160000," + self.git("rev-parse", "HEAD") + ",sub")
        self.git("commit", "-qm", "submodule")
        self.run_enmesh("validate", code=1)
        self.assertIn("sub: error: a submodule is not fetched", self.stderr)

    def test_references_name_branches_tags_versions_and_commits(self):
        self.git("tag", "v1.0.0")
        one = self.git("rev-parse", "HEAD")
        self.commit("two", "runAs: {user: 1002}")
        self.git("tag", "-a", "-m", "two", "v1.2.0")
        two = self.git("rev-parse", "HEAD")
        self.commit("three", "runAs: {user: 1003}")
        self.git("tag", "v2.0.0-rc1")
        three = self.git("rev-parse", "HEAD")
        for ref, commit in (("main", three), ("refs/heads/main", three), ("refs/tags/v1.2.0", two), (one, one),
                            ("semver:>=1.0 <2", two), ("semver:~1.0", one), ("semver:>=2.0.0-rc0", three), ("HEAD", three)):
            self.assertIn(commit, self.run_enmesh("validate", "--ref", ref), ref)
        self.run_enmesh("validate", "--ref", "mian", code=1)
        self.assertIn("did you mean 'main'?", self.stderr)
        self.run_enmesh("validate", "--ref", "semver:>=3", code=1)
        self.assertIn("no tag", self.stderr)
        self.run_enmesh("validate", "--ref", "semver:banana", code=1)
        self.assertIn("no range", self.stderr)

    def test_a_path_in_the_repository_is_the_root_of_the_source(self):
        os.makedirs(self.path("repo/prod"))
        os.rename(self.path("repo/mesh.yaml"), self.path("repo/prod/mesh.yaml"))
        self.write("repo/other.yaml", "kind: Deployment\n")
        self.git("add", "-A")
        self.git("commit", "-qm", "moved")
        self.run_enmesh("validate", "--path", "prod")
        self.run_enmesh("validate", "--path", "prd", code=1)
        self.assertIn("no directory 'prd'", self.stderr)
        self.run_enmesh("validate", "--path", "../x", code=64)

    def test_an_address_that_is_none_is_refused_with_the_rule(self):
        for url, words in (("ssh://-oProxyCommand=x/a", "the host"), ("ext::sh -c x://a", "https://, ssh://"),
                           ("https://user:secret@h/a", "no credentials"), ("http://h/a", "signatures"),
                           ("file://h/a", "file:///"), ("https://h/a;reboot", "the path")):
            self.run_enmesh("validate", source=url, code=64)
            self.assertIn(words, self.stderr)
            self.assertNotIn("secret", self.stderr)

    def objects(self, *parts):
        return [os.path.join(at, name) for at, _, names in os.walk(self.path("var/state/source.git", *parts)) for name in names]

    def test_a_damaged_repository_is_fetched_again(self):
        self.apply()
        for n, damage in enumerate((
                lambda: [os.truncate(p, os.path.getsize(p) // 2) for p in self.objects("objects/pack")],
                lambda: [open(p, "r+b").write(b"\0" * 200) for p in self.objects("objects/pack") if p.endswith(".pack")],
                lambda: [os.remove(p) for p in self.objects("objects")],
                lambda: [open(p, "w").write("nonsense") for p in self.objects("refs")],
                lambda: open(self.path("var/state/source.git/packed-refs"), "w").write("nonsense\n" * 9),
                lambda: os.remove(self.path("var/state/source.git/HEAD")),
                lambda: open(self.path("var/state/source.git/config"), "w").write("[nonsense"),
                lambda: shutil.rmtree(self.path("var/state/source.git/objects")),
                lambda: shutil.rmtree(self.path("var/state/source.git")))):
            # As the one to whom it belongs.
            for path in self.objects():
                os.chmod(path, 0o600)
            damage()
            self.commit(str(n), f"runAs: {{user: {1100 + n}}}")
            self.apply()
            self.assertIn(f"{1100 + n} : goto", self.nft("list", "ruleset"))

    def test_the_repository_is_kept_to_a_bound(self):
        for n in range(60):
            self.commit(str(n), f"runAs: {{user: {1100 + n}}}")
            self.run_enmesh("validate")
        self.assertLess(len(self.objects("objects/pack")), 110)

    def test_killed_while_it_fetches_the_next_pass_goes_on(self):
        for n in range(40):
            self.commit(str(n), f"runAs: {{user: {1100 + n}}}")
            p = subprocess.Popen([*self.prefix, ENMESH, "apply", self.url, "--state-dir", "var/state", "--run-dir", "var/run", "--node",
                                  NODE, "--no-wait", "--source-user", USER, "-q"], cwd=self.dir, stderr=subprocess.DEVNULL)
            time.sleep(n * 0.0008)  # anywhere on the way, which takes some 25 ms
            p.kill()
            p.wait()
            if n % 8 == 7:
                self.apply()
                self.assertIn(f"{1100 + n} : goto", self.nft("list", "ruleset"))

    def test_a_full_disk_leaves_the_last_good_revision(self):
        self.apply()
        os.makedirs(self.path("small"))
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", self.path("small")], check=True)
        self.addCleanup(lambda: subprocess.run(["umount", "-l", self.path("small")]))
        state = ("--state-dir", "small/state")
        self.enmesh("validate", self.url, *state, "--source-user", USER)
        args = (*state, "--node", NODE, "--run-dir", "var/run", "--no-wait", "--source-user", USER)
        self.enmesh("apply", self.url, *args)
        with open(self.path("small/filler"), "wb", buffering=0) as f, contextlib.suppress(OSError):
            while f.write(b"x" * 4096):
                pass
        self.commit("two", "runAs: {user: 1002}")
        r = self.enmesh("apply", self.url, *args, code=1)
        self.assertIn("No space left", r.stderr)
        self.assertIn("1001 : goto", self.nft("list", "ruleset"))
        self.nft("delete", "table", "inet", "enmesh")
        self.enmesh("apply", self.url, *args, "--last-good")
        self.assertIn("1001 : goto", self.nft("list", "ruleset"))
        os.remove(self.path("small/filler"))
        subprocess.run(["mount", "-o", "remount,ro", self.path("small")], check=True)
        self.assertIn("Read-only file system", self.enmesh("apply", self.url, *args, code=1).stderr)
        subprocess.run(["mount", "-o", "remount,rw", self.path("small")], check=True)
        self.enmesh("apply", self.url, *args)
        self.assertIn("1002 : goto", self.nft("list", "ruleset"))

    def test_cleanup_takes_the_revisions_with_it(self):
        self.apply()
        self.enmesh("cleanup", "--state-dir", "var/state", "--run-dir", "var/run")
        self.assertFalse(os.path.exists(self.path("var/state")))

    def test_without_root_a_source_can_be_looked_at(self):
        os.makedirs(self.path("mine"))
        os.chown(self.path("mine"), 65534, 65534)
        self.prefix = self.somebody()
        self.enmesh("validate", self.url, "--state-dir", self.path("mine/state"))
        r = self.enmesh("validate", self.url, "--state-dir", "/nowhere/state", code=1)
        self.assertIn("name another --state-dir", r.stderr)

    def test_the_agent_goes_on_with_the_last_good_revision(self):
        log = open(self.path("log"), "w")
        self.addCleanup(log.close)
        agent = subprocess.Popen([*self.prefix, ENMESH, "run", self.url, "--node", NODE, "--state-dir", "var/state",
                                  "--run-dir", "var/run", "--source-user", USER, "--target", "capture", "--interval",
                                  "1s"], cwd=self.dir, stdout=log, stderr=log, env=clean_environment())
        self.addCleanup(lambda: (agent.send_signal(signal.SIGTERM), agent.wait(20)))
        self.until(lambda: "1001 : goto" in self.nft("list", "ruleset"))
        self.commit("two", "runAs: {user: 1002}")
        self.until(lambda: "1002 : goto" in self.nft("list", "ruleset"))
        self.commit("broken", text="nonsense: [")
        self.until(lambda: self.condition("SourceValid")["status"] == "False")
        self.assertIn("1002 : goto", self.nft("list", "ruleset"))
        # What did not change is not read again, and still there: in messages, too.
        self.write("repo/more.yaml", "apiVersion: enmesh.io/v1alpha1\nkind: MeshCapture\nmetadata: {name: other}\nspec: {}\n")
        self.write("repo/far.yaml", SERVICE.split("---")[2].replace("reviews", "far").replace("nodes: all", "nodes: {matchLabels: {a: b}}")
                   % "runAs: {user: 77}")
        self.commit("three", "runAs: {user: 1003}")
        self.until(lambda: "1003 : goto" in self.nft("list", "ruleset"))
        for n in range(4, 8):
            self.write("repo/more.yaml", f"# {n}\n")
            self.commit(str(n), f"runAs: {{user: {1000 + n}}}" if n % 2 else "runAs: {user: 1003}")
            head = self.git("rev-parse", "HEAD")
            self.until(lambda head=head: self.status()["source"]["attemptedRevision"] == head)
            self.assertIn(f"{1000 + n if n % 2 else 1003} : goto", self.nft("list", "ruleset"))
        self.assertIn("far.yaml", json.dumps(self.status()["warnings"]))

    def until(self, condition, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if condition():
                    return
            except FileNotFoundError:
                pass
            time.sleep(0.02)
        with open(self.path("log")) as f:
            self.fail(f.read())


if __name__ == "__main__":
    if not may_make_network() or not shutil.which("git"):
        print("skipped: needs root, network namespaces and git")
        sys.exit(77)
    main()
