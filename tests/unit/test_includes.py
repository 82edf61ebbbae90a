#!/usr/bin/env python3
"""test_includes.py RECONCILER: reads the #include lines and prints each that the layering forbids. With --self-test instead,
plants such lines and fails if one is not found."""
import os
import re
import sys
import tempfile

# A folder includes only itself and what is before it.
ORDER = ["base", "source", "fetch", "store", "config", "model", "plan", "targets", "pass", "report", "agent", "cli"]

# A foreign library's header, and where alone it may be included.
FOREIGN = [
    (r"yaml\.h", ["config/"]),
    (r"jansson\.h", ["base/"]),
    (r"sha256\.h|md5\.h|sha512\.h", ["base/"]),
    (r"curl/.*", ["base/http.c", "fetch/http.c"]),
    (r"libnftnl/.*|libmnl/.*|libiptc/.*|linux/netfilter.*|linux/rtnetlink\.h|linux/fib_rules\.h", ["targets/capture/"]),
    (r"git2.*|openssl/.*|rnp/.*", ["fetch/"]),
    (r"microhttpd\.h", ["report/"]),
    (r"systemd/.*", ["targets/processes/", "agent/", "report/"]),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def check_own(path, included):
    folder, other = path.split("/")[0], included.split("/")[0]
    if "/" not in included or other not in ORDER:
        return "is not in a folder of the list"
    if ORDER.index(other) > ORDER.index(folder):
        return "points upwards"
    if other != "targets" or included == "targets/target.h":
        return None
    if folder != "targets":
        return "goes past targets/target.h"
    if path.split("/")[1] != included.split("/")[1]:
        return "goes from one target to another"
    return None


def check_foreign(path, included):
    for pattern, allowed in FOREIGN:
        if re.fullmatch(pattern, included) and not any(path.startswith(a) for a in allowed):
            return "belongs into " + " or ".join(allowed) + " only"
    return None


def check_file(path, text, files):
    """path and files are relative to reconciler/."""
    mistakes = []
    folder = path.split("/")[0]
    if folder not in ORDER:
        return [f"{path}: the folder is not in the list"]
    includes = INCLUDE.findall(text)
    for kind, included in includes:
        why = check_own(path, included) if kind == '"' else check_foreign(path, included)
        if why:
            mistakes.append(f"{path}: {included} {why}")
    header = path[:-2] + ".h"
    if path.endswith(".c") and header in files and (not includes or includes[0] != ('"', header)):
        mistakes.append(f"{path}: includes its own header not first")
    return mistakes


def check_tree(root):
    files = {}
    for directory, _, names in os.walk(root):
        for name in names:
            if name.endswith((".c", ".h")):
                with open(os.path.join(directory, name), encoding="utf-8") as f:
                    files[os.path.relpath(os.path.join(directory, name), root)] = f.read()
    return len(files), [m for path in sorted(files) for m in check_file(path, files[path], files)]


def self_test():
    planted = {
        "base/node.c": ('#include "config/config.h"\n', "points upwards"),
        "model/mesh.c": ('#include "plan/plan.h"\n', "points upwards"),
        "config/kind.c": ('  #  include   "cli/main.h"\n', "points upwards"),
        "targets/capture/diff.c": ('#include "targets/objects/api.h"\n', "one target to another"),
        "targets/capture/state.c": ('#include "pass/pass.h"\n', "points upwards"),
        "pass/pass.c": ('#include "targets/capture/ruleset.h"\n', "past targets/target.h"),
        "model/read.c": ("#include <yaml.h>\n", "belongs into config/"),
        "config/yaml.c": ("#include <jansson.h>\n", "belongs into base/"),
        "base/json.c": ("#include <curl/curl.h>\n", "belongs into base/http.c"),
        "targets/objects/api.c": ("#include <libnftnl/rule.h>\n", "belongs into targets/capture/"),
        "base/str.c": ("#include <string.h>\n#include \"base/str.h\"\n", "own header not first"),
        "base/vec.c": ("", "own header not first"),
        "common/util.c": ("", "folder is not in the list"),
        "base/arena.c": ('#include "arena.h"\n', "not in a folder"),
    }
    good = {
        "base/str.h": "", "base/vec.h": "#include <stddef.h>\n",
        "targets/capture/apply.c": '#include "targets/capture/state.h"\n#include "targets/target.h"\n#include <libmnl/libmnl.h>\n',
        "pass/run.c": '#include "targets/target.h"\n#include "model/mesh.h"\n',
        "cli/main.c": '#include "base/str.h"\n#include "report/text.h"\n',
        "base/http.c": "#include <curl/curl.h>\n",
    }
    with tempfile.TemporaryDirectory(prefix="enmesh-test-") as root:
        for path, text in {**good, **{path: text for path, (text, _) in planted.items()}}.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                f.write(text)
        _, mistakes = check_tree(root)
    missed = [path for path, (_, why) in planted.items()
              if not any(m.startswith(path + ":") and why in m for m in mistakes)]
    wrong = [m for m in mistakes if m.split(":")[0] not in planted]
    for path in missed:
        print(f"planted, but not found: {path}")
    for m in wrong:
        print(f"wrongly found: {m}")
    return not missed and not wrong


def main(argument):
    if argument == "--self-test":
        sys.exit(0 if self_test() else 1)
    n, mistakes = check_tree(argument)
    print("\n".join(mistakes + [f"{n} files, {len(mistakes)} mistakes"]))
    sys.exit(1 if mistakes or not n else 0)


if __name__ == "__main__":
    main(sys.argv[1])
