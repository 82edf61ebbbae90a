#!/usr/bin/env python3
"""run.py NAME BINARY [SECONDS]: runs a fuzz target with a corpus made of the goldens, the examples, and what it has found
before (corpus/NAME). With SECONDS, BINARY is one of libFuzzer's and runs that long; without, it runs some thousand inputs."""
import glob
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
RUNS = 4000

IGNORE = [b"*.yaml\n!keep.yaml\na/b/keep.yaml", b"/a/**/b/\n**/c*d?[a-z]\na/x/y/b", b"# x\n\\#a\na\\ \n[!a-c]x[[:digit:]]\ndx5"]
VARS = [b"${node.name} $${x} ${label:app}", b"${service.namespace}.${service.name}:${sidecar.ports.admin}",
        b"${mesh.discovery.host}|${mesh.discovery.port}|${mesh.ca}", b"a ${node.${x}}", b"${"]
AGENT = [b"apiVersion: enmesh.io/v1alpha1\nkind: AgentConfig\nspec: {node: n1, timeout: 30s, source: {path: /srv/mesh}, "
         b"apiServer: {certFile: /c, keyFile: /k, caFile: /a, tokenFile: /t}, stateDir: /s, runDir: /r, cgroup: /g}\n"]
IMPORT = [b"# cluster.env\nexport ISTIO_SERVICE='web.shop' POD_NAMESPACE=x\nISTIO_SVC_IP=10.0.0.1;TRUST_DOMAIN=\"td\"\n"
          b"ISTIO_METAJSON_LABELS='{\"app\":\"web\"}'\nISTIO_OUTBOUND_OWNER_GROUPS=java,202\nCA_ADDR=ca:15012\nODD=$(x)\n"
          b"ISTIO_CUSTOM_IP_TABLES=true\nISTIO_PILOT_PORT=15005\nISTIO_META_NETWORK=n\n--\n-b\n*\n-d22,80:90,http\n-i=10.0.0.1/8,::/0\n"
          b"-x\nfd00::/8\n--dual-stack\n-c\neth0,no\n--istio-outbound-ports=443\n-m\nTPROXY\n-t\n1400\n-nf\n--redirect-dns=true"]


def yaml_texts():
    for path in sorted(glob.glob(os.path.join(TOP, "tests/golden/broken/*"))):
        with open(path, "rb") as f:
            for part in f.read().split(b"=== ")[1:]:
                name, _, text = part.partition(b"\n")
                if name.endswith(b".yaml"):
                    yield text
    for path in ["tests/golden/base.yaml"] + sorted(glob.glob("examples/*/*.yaml", root_dir=TOP)):
        with open(os.path.join(TOP, path), "rb") as f:
            yield f.read()


def json_texts():
    for path in sorted(glob.glob(os.path.join(TOP, "schemas/*.json"))):
        with open(path, "rb") as f:
            yield f.read()
    yield b'[1, -0.5, 1e9, "\\u00e9\\ud83d\\ude00", null, true, {"a": {}}]'


def seeds(name):
    if name in ("yaml", "documents"):
        return list(yaml_texts())
    return {"json": list(json_texts()), "ignore": IGNORE, "vars": VARS, "agent": AGENT, "import": IMPORT}[name]


def words(value, out):
    """Names and choices of the schemas, for libFuzzer's dictionary."""
    if isinstance(value, dict):
        out.update(value.get("properties", {}))
        out.update(word for word in value.get("enum", []) + [value.get("const")] if isinstance(word, str))
        for item in value.values():
            words(item, out)
    elif isinstance(value, list):
        for item in value:
            words(item, out)


def main(name, binary, seconds=None):
    with tempfile.TemporaryDirectory(prefix="enmesh-test-") as top:
        corpus, found = os.path.join(top, "corpus"), os.path.join(HERE, "corpus", name)
        os.mkdir(corpus)
        for i, text in enumerate(seeds(name)):
            with open(os.path.join(corpus, f"seed-{i}"), "wb") as f:
                f.write(text)
        for path in glob.glob(os.path.join(found, "*")):
            with open(path, "rb") as f, open(os.path.join(corpus, "found-" + os.path.basename(path)), "wb") as out:
                out.write(f.read())
        if not seconds:
            sys.exit(subprocess.run([binary, str(RUNS), corpus]).returncode)
        names = set()
        for path in glob.glob(os.path.join(TOP, "schemas/*.json")):
            with open(path, encoding="utf-8") as f:
                words(json.load(f), names)
        with open(os.path.join(top, "dict"), "w", encoding="utf-8") as f:
            f.writelines(f'"{word}"\n' for word in sorted(names) + ["---\\x0a", "${", "$${", ": ", "- ", "<<: ", "!!"])
        sys.exit(subprocess.run([binary, corpus, "-dict=" + os.path.join(top, "dict"), f"-max_total_time={seconds}",
                                 "-max_len=16384", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
                                 "-artifact_prefix=" + os.path.join(os.getcwd(), f"crash-{name}-")]).returncode)


if __name__ == "__main__":
    main(*sys.argv[1:])
