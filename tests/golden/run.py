#!/usr/bin/env python3
"""run.py [--update] ENMESH [CASE...]: what `enmesh` says, character by character.

A case is a file in broken/ (what `validate` says of broken meshes) or trace/ (ways of connections): lines that say what it is
about, then "=== PATH" and a file of the source for each part, then "=== diagnostics" and what is expected on standard error, or
"=== output" and what is expected on both. Lines of the beginning that are settings:
  with: base      the source has base.yaml too
  args: --strict  further arguments
--update writes what is said now into the cases; read the difference before you commit it. `meson compile -C build
update-goldens` does so for all of them."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
COMMANDS = {"broken": "validate", "trace": "trace"}  # by folder
ENDS = ("diagnostics", "output")


def parse(text):
    """The head, and a list of (path, content)."""
    head, parts = [], []
    for line in text.splitlines(keepends=True):
        if line.startswith("=== "):
            parts.append([line[4:].strip(), ""])
        elif parts:
            parts[-1][1] += line
        else:
            head.append(line)
    return "".join(head), parts


def settings(head):
    return dict(line.split(": ", 1) for line in head.splitlines() if line.startswith(("with: ", "args: ")))


def run(enmesh, command, head, parts):
    options = settings(head)
    with tempfile.TemporaryDirectory(prefix="enmesh-test-") as root:
        files = [part for part in parts if part[0] not in ENDS]
        if "with" in options:
            with open(os.path.join(HERE, options["with"] + ".yaml"), encoding="utf-8") as f:
                files.append((options["with"] + ".yaml", f.read()))
        for path, content in files:
            file = os.path.join(root, "mesh", path)
            os.makedirs(os.path.dirname(file), exist_ok=True)
            with open(file, "w", encoding="utf-8") as f:
                f.write(content)
        # A machine that has the user of enmesh-fetch has a rule for it.
        words = [enmesh, command, "mesh", "--source-user=no-such-user", *options.get("args", "").split()]
        result = subprocess.run(words, cwd=root, timeout=60,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = (result.stdout.decode() if parts[-1][0] == "output" else "") + result.stderr.decode()
    wanted_code = 1 if any(": error: " in line for line in said.splitlines()) else 0
    if result.returncode != wanted_code:
        said += f"exit code {result.returncode}\n"
    return said


def write(path, head, parts, said):
    with open(path, "w", encoding="utf-8") as f:
        f.write(head)
        for name, content in parts:
            f.write(f"=== {name}\n{said if name in ENDS else content}")


def main(arguments):
    update = "--update" in arguments
    enmesh, *names = [a for a in arguments if a != "--update"]
    names = names or [os.path.join(d, name) for d in COMMANDS for name in sorted(os.listdir(os.path.join(HERE, d)))]
    failed = 0
    for name in names:
        path = os.path.join(HERE, name)
        with open(path, encoding="utf-8") as f:
            head, parts = parse(f.read())
        said = run(os.path.abspath(enmesh), COMMANDS[os.path.dirname(name)], head, parts)
        expected = parts[-1][1]
        if said == expected:
            continue
        if update:
            write(path, head, parts, said)
            print(f"rewritten: {name}")
            continue
        failed += 1
        print(f"{name}:\n--- expected\n{expected}--- said\n{said}")
    print(f"{len(names)} cases, {failed} failed")
    sys.exit(1 if failed or not names else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
