"""Signatures of commits and tags, made by git with ssh-keygen and gpg: test_signatures.py ENMESH CHECK_JSON SCHEMA_DIR."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

from cli_case import IS_ROOT, MESH, Case, clean_environment, main

USER = ("--source-user", "nobody") if IS_ROOT else ()


class Signatures(Case):
    """A repository, and keys that are made once."""

    @classmethod
    def setUpClass(cls):
        cls.keys = tempfile.mkdtemp(prefix="enmesh-keys-")
        cls.addClassCleanup(shutil.rmtree, cls.keys)
        for name, kind in (("ed25519", ["-t", "ed25519"]), ("ecdsa", ["-t", "ecdsa", "-b", "384"]),
                           ("rsa", ["-t", "rsa", "-b", "2048"]), ("other", ["-t", "ed25519"])):
            subprocess.run(["ssh-keygen", "-q", *kind, "-N", "", "-C", name, "-f", f"{cls.keys}/{name}"], check=True)

    def setUp(self):
        super().setUp()
        os.mkdir(self.path("var"))
        self.url = "file://" + self.path("repo")
        self.git("init", "-q", "-b", "main", self.path("repo"), cwd=self.dir)
        self.write("repo/mesh.yaml", MESH)
        self.git("add", "-A")

    def git(self, *args, cwd=None, key=None, date="2024-06-01T12:00:00Z", gpg=None, **kw):
        options = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        if key:
            options += ["-c", "gpg.format=ssh", "-c", f"user.signingkey={self.keys}/{key}"]
        if gpg:
            options += ["-c", f"user.signingkey={gpg}"]
        env = {**clean_environment(), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date}
        if gpg:
            env["GNUPGHOME"] = self.gnupg
        r = subprocess.run(["git", *options, *args], cwd=cwd or self.path("repo"), check=True, capture_output=True, env=env,
                           **kw)
        return r.stdout.decode().strip()

    def commit(self, *args, **kw):
        self.git("commit", "-qm", "x", "--allow-empty", *args, **kw)

    def allow(self, *lines):
        return self.write("allowed", "# who may\n" + "".join(line + "\n" for line in lines))

    def line(self, key, options="", who="deploy@example.com"):
        with open(f"{self.keys}/{key}.pub") as f:
            return f"{who} {options}{' ' if options else ''}{f.read().strip()}"

    def validate(self, *args, code=0):
        return self.enmesh("validate", self.url, "--state-dir", "var/state", *USER, *args, code=code)

    def refused(self, words, *args):
        self.assertIn(words, self.validate(*args, code=1).stderr)

    def test_commits_with_keys_of_each_kind(self):
        for key in ("ed25519", "ecdsa", "rsa"):
            self.commit("-S", key=key)
            self.allow(self.line("other"), self.line(key))
            self.validate("--allowed-signers-file", self.path("allowed"))

    def test_an_unsigned_commit(self):
        self.commit()
        self.allow(self.line("ed25519"))
        self.validate()
        self.refused("the commit is not signed", "--allowed-signers-file", self.path("allowed"))

    def test_an_unknown_and_a_revoked_key(self):
        self.commit("-S", key="ed25519")
        self.allow(self.line("other"))
        self.refused("is not among the allowed signers", "--allowed-signers-file", self.path("allowed"))
        self.allow(self.line("ed25519"))
        shutil.copy(f"{self.keys}/ed25519.pub", self.path("revoked"))
        args = ("--allowed-signers-file", self.path("allowed"), "--revoked-file", self.path("revoked"))
        self.refused("is revoked", *args)
        shutil.copy(f"{self.keys}/other.pub", self.path("revoked"))
        self.validate(*args)
        self.write("revoked", "SSHKRL\n\x00")
        self.refused("list of revoked keys", *args)

    def test_times_and_namespaces_of_a_key(self):
        self.commit("-S", key="ed25519")
        args = ("--allowed-signers-file", self.path("allowed"))
        for options, words in (('valid-before="20240601"', "no longer valid"), ('valid-after="20240602Z"', "not valid yet"),
                               ('namespaces="file,mail"', "for the namespaces file,mail, not for git"),
                               ("cert-authority", "certificate authority"), ("valid-until=1", "an option that is not")):
            self.allow(self.line("ed25519", options))
            self.refused(words, *args)
        for options in ('valid-before="20240602"', 'valid-after="202406011159",namespaces="git"', 'namespaces="g?t,x"'):
            self.allow(self.line("ed25519", options))
            self.validate(*args)
        self.allow(self.line("ed25519", 'namespaces="!git,*"'))
        self.refused("not for git", *args)

    def test_what_was_signed_for_something_else(self):
        self.commit("-S", key="ed25519")
        raw = self.git("cat-file", "commit", "HEAD")
        head = self.git("hash-object", "-t", "commit", "-w", "--stdin", input=(raw + " more\n").encode())
        self.git("reset", "-q", "--hard", head)
        self.allow(self.line("ed25519"))
        args = ("--allowed-signers-file", self.path("allowed"))
        self.refused("does not match", *args)
        # A good signature for another namespace.
        self.commit()
        raw = self.git("cat-file", "commit", "HEAD") + "\n"
        with open(self.path("message"), "w") as f:
            f.write(raw)
        subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", f"{self.keys}/ed25519", self.path("message")],
                       check=True, capture_output=True)
        with open(self.path("message.sig")) as f:
            signature = f.read().strip().replace("\n", "\n ")
        signed = raw.replace("\n\n", f"\ngpgsig {signature}\n\n", 1)
        head = self.git("hash-object", "-t", "commit", "-w", "--stdin", input=signed.encode())
        self.git("reset", "-q", "--hard", head)
        self.refused("made for the namespace 'file', not for 'git'", *args)

    def test_a_tag_and_its_commit_are_two_things(self):
        self.allow(self.line("ed25519"))
        args = ("--allowed-signers-file", self.path("allowed"), "--ref", "refs/tags/v1")
        self.commit()
        self.git("tag", "-s", "-m", "one", "v1", key="ed25519")
        self.refused("the commit is not signed", *args)
        self.validate(*args, "--verify-tag")
        self.commit("-S", key="ed25519")
        self.git("tag", "-f", "-a", "-m", "one", "v1")
        self.validate(*args)
        self.refused("the tag is not signed", *args, "--verify-tag")
        self.git("tag", "-f", "v1")
        self.refused("without a text of its own", *args, "--verify-tag")
        self.validate(*args[:2], "--ref", "main", "--verify-tag", code=64)
        # A tag that was signed, and then written for another commit.
        self.git("tag", "-f", "-s", "-m", "one", "v1", key="ed25519")
        raw = self.git("cat-file", "tag", "v1")
        self.commit()
        other = raw.replace(raw.split()[1], self.git("rev-parse", "HEAD"), 1)
        self.git("update-ref", "refs/tags/v1", self.git("hash-object", "-t", "tag", "-w", "--stdin", input=other.encode()))
        self.refused("does not match", *args, "--verify-tag")

    # ---- OpenPGP ----

    def gpg(self, *args, **kw):
        return subprocess.run(["gpg", "--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", "--passphrase", "", *args],
                              check=True, capture_output=True, env={**clean_environment(), "GNUPGHOME": self.gnupg}, **kw)

    def openpgp(self):
        if not shutil.which("gpg"):
            self.skipTest("needs gpg")
        self.gnupg = tempfile.mkdtemp(prefix="enmesh-gpg-")
        self.addCleanup(shutil.rmtree, self.gnupg, ignore_errors=True)
        self.addCleanup(lambda: subprocess.run(["gpgconf", "--kill", "all"], env={**clean_environment(), "GNUPGHOME": self.gnupg},
                                               capture_output=True))
        os.chmod(self.gnupg, 0o700)

    def make_gpg_key(self, name, *args):
        self.gpg(*args, "--quick-generate-key", f"{name} <{name}@example.com>", "ed25519", "sign", "1y")
        return name

    def keyring(self, *names):
        out = self.gpg("--armor", "--export", *names).stdout
        self.write("ring.asc", out.decode())
        return ("--keyring-file", self.path("ring.asc"))

    def test_openpgp(self):
        self.openpgp()
        self.make_gpg_key("alice")
        self.make_gpg_key("mallory")
        self.commit("-S", gpg="alice", date=f"{int(time.time())} +0000")
        self.validate(*self.keyring("alice", "mallory"))
        self.refused("is not in the keyring", *self.keyring("mallory"))
        self.allow(self.line("ed25519"))
        self.refused("the settings name no keyring", "--allowed-signers-file", self.path("allowed"))
        raw = self.git("cat-file", "commit", "HEAD")
        head = self.git("hash-object", "-t", "commit", "-w", "--stdin", input=(raw + " more\n").encode())
        self.git("reset", "-q", "--hard", head)
        self.refused("does not match", *self.keyring("alice"))
        self.commit("-S", gpg="alice", date=f"{int(time.time())} +0000")
        self.git("tag", "-s", "-m", "one", "v1", gpg="alice", date=f"{int(time.time())} +0000")
        self.validate(*self.keyring("alice"), "--ref", "refs/tags/v1", "--verify-tag")
        self.write("ring.asc", "no keys")
        self.refused("holds no OpenPGP keys", "--keyring-file", self.path("ring.asc"))
        # Revoked by its owner.
        certificate = self.path("revoke")
        fingerprint = self.gpg("--with-colons", "--list-keys", "alice").stdout.decode().split("fpr:::::::::")[1].split(":")[0]
        with open(f"{self.gnupg}/openpgp-revocs.d/{fingerprint}.rev") as f:
            text = f.read().replace(":-----BEGIN", "-----BEGIN")
        with open(certificate, "w") as f:
            f.write(text)
        self.gpg("--import", certificate)
        self.refused("is revoked", *self.keyring("alice"))

    def test_an_openpgp_key_that_had_expired(self):
        self.openpgp()
        self.gpg("--faked-system-time", "20200101T000000", "--quick-generate-key", "old <old@example.com>", "ed25519", "sign",
                 "20210101T000000")
        wrapper = self.write("gpg-then", "#!/bin/sh\nexec gpg --faked-system-time \"$THEN\" \"$@\"\n")
        os.chmod(wrapper, 0o755)
        for then, works in (("20200601T000000", True), ("20220601T000000", False)):
            os.environ["THEN"] = then
            try:
                self.git("-c", f"gpg.program={wrapper}", "commit", "-qm", "x", "--allow-empty", "-S", gpg="old",
                         date="2020-06-01T00:00:00Z")
            except subprocess.CalledProcessError:
                self.assertFalse(works)  # gpg itself refuses
                continue
            finally:
                del os.environ["THEN"]
            if works:
                self.validate(*self.keyring("old"))
            else:
                self.refused("expired", *self.keyring("old"))


if __name__ == "__main__":
    if not shutil.which("git") or not shutil.which("ssh-keygen"):
        print("skipped: needs git and ssh-keygen")
        sys.exit(77)
    main()
