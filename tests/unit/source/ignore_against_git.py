#!/usr/bin/env python3
"""ignore_against_git.py LIST [ROUNDS [SEED]]: .enmeshignore means what .gitignore means. Random patterns over a random tree,
with `git check-ignore` as the judge. What is known to differ (source/ignore.h) is not generated."""
import os
import random
import shutil
import subprocess
import sys
import tempfile

NAMES = ["a", "b", "ab", "abc", "a-b", "A", "x1", "a b", "#a", "!a", "a*", "[a]"]


def tree(rng, root):
    paths = []
    for _ in range(40):
        parts = [rng.choice(NAMES) for _ in range(rng.randint(1, 4))]
        directory = os.path.join(root, *parts[:-1])
        file = os.path.join(directory, parts[-1] + ".yaml")
        try:
            os.makedirs(directory, exist_ok=True)
            open(file, "w").close()
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue
        paths.append(os.path.relpath(file, root))
    return sorted(set(paths))


def part(rng):
    """One part of a pattern, without slash."""
    out = ""
    for _ in range(rng.randint(1, 3)):
        out += rng.choice([
            "a", "b", "ab", "abc", ".yaml", "x1", "A", "?", "[ab]", "[!a]", "[^b]", "[a-c]", "[]a]", "[[:lower:]]",
            "[[:digit:]x]", "\\a", "\\*", "\\[", "\\#", "\\ ", " ", "-", "[a-]", "[\\]a]", "[a", "[z-a]",
        ])
        if rng.random() < 0.3 and not out.endswith("*"):
            out += "*"
    return out


def pattern(rng):
    parts = [part(rng) if rng.random() < 0.8 else rng.choice(["**", "*", "*.yaml"])
             for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 4]))]
    text = "/".join(parts)
    if rng.random() < 0.2:
        text = "/" + text
    if rng.random() < 0.2:
        text += "/"
    if rng.random() < 0.25:
        text = "!" + text
    if rng.random() < 0.1:
        text += rng.choice([" ", "  ", "\\", "\r"])
    if rng.random() < 0.05:
        text = "#" + text
    return text


def by_git(git, root, paths):
    run = subprocess.run(["git", "--git-dir", git, "--work-tree", root, "-c", "core.ignoreCase=false", "check-ignore", "--no-index",
                          "-z", "--stdin"], cwd=root, input="\0".join(paths).encode() + b"\0",
                         stdout=subprocess.PIPE)
    if run.returncode > 1:
        sys.exit("git check-ignore failed")
    return {path for path in run.stdout.decode().split("\0") if path}


def main(lister, rounds, seed):
    if not shutil.which("git"):
        print("skipped: git is not installed")
        sys.exit(77)
    rng = random.Random(seed)
    os.environ.update(GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null")
    matched = 0
    with tempfile.TemporaryDirectory(prefix="enmesh-test-") as top:
        git = os.path.join(top, "git")
        subprocess.run(["git", "init", "-q", "--bare", git], check=True)
        for n in range(rounds):
            root = os.path.join(top, str(n))
            os.mkdir(root)
            paths = tree(rng, root)
            patterns = "\n".join(pattern(rng) for _ in range(rng.randint(1, 6))) + "\n"
            open(os.path.join(root, "zzz.yaml"), "w").close()  # a source needs a document
            for name in (".gitignore", ".enmeshignore"):
                with open(os.path.join(root, name), "w") as f:
                    f.write(patterns + "!/zzz.yaml\n")
            wanted = by_git(git, root, paths)
            ours = set(subprocess.run([lister, root], stdout=subprocess.PIPE, check=True).stdout.decode().splitlines())
            if ours != wanted:
                print(f"seed {seed}, round {n}: {patterns!r}\nonly git ignores: {sorted(wanted - ours)}\n"
                      f"only enmesh ignores: {sorted(ours - wanted)}")
                sys.exit(1)
            matched += len(wanted)
            shutil.rmtree(root)
    print(f"{rounds} rounds, {matched} ignored paths, all as git has it")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 150, int(sys.argv[3]) if len(sys.argv) > 3 else 1)
