#!/usr/bin/env python3
"""run.py [--update] ENMESH [CASE...]: what `enmesh validate` says of broken meshes, character by character.

A case is a file in broken/: lines that say what it is about, then "=== PATH" and a file of the source for each part, then
"=== diagnostics" and what is expected on standard error. Lines of the beginning that are settings:
  with: base      the source has base.yaml too
  args: --strict  further arguments
--update writes what is said now into the cases; read the difference before you commit it. `meson compile -C build
update-goldens` does so for all of them."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "broken")
END = "diagnostics"


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


def run(enmesh, head, parts):
    options = settings(head)
    with tempfile.TemporaryDirectory(prefix="enmesh-test-") as root:
        files = [part for part in parts if part[0] != END]
        if "with" in options:
            with open(os.path.join(HERE, options["with"] + ".yaml"), encoding="utf-8") as f:
                files.append((options["with"] + ".yaml", f.read()))
        for path, content in files:
            file = os.path.join(root, "mesh", path)
            os.makedirs(os.path.dirname(file), exist_ok=True)
            with open(file, "w", encoding="utf-8") as f:
                f.write(content)
        result = subprocess.run([enmesh, "validate", "mesh"] + options.get("args", "").split(), cwd=root, timeout=60,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = result.stderr.decode()
    wanted_code = 1 if any(": error: " in line for line in said.splitlines()) else 0
    if result.returncode != wanted_code:
        said += f"exit code {result.returncode}\n"
    return said


def write(path, head, parts, said):
    with open(path, "w", encoding="utf-8") as f:
        f.write(head)
        for name, content in parts:
            if name != END:
                f.write(f"=== {name}\n{content}")
        f.write(f"=== {END}\n{said}")


def main(arguments):
    update = "--update" in arguments
    enmesh, *names = [a for a in arguments if a != "--update"]
    names = names or sorted(os.listdir(CASES))
    failed = 0
    for name in names:
        path = os.path.join(CASES, name)
        with open(path, encoding="utf-8") as f:
            head, parts = parse(f.read())
        said = run(os.path.abspath(enmesh), head, parts)
        expected = dict(parts).get(END)
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
