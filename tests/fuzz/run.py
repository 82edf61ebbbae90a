#!/usr/bin/env python3
"""run.py NAME BINARY [SECONDS]: runs a fuzz target with a corpus made of the goldens, the examples, and what it has found
before (corpus/NAME). With SECONDS, BINARY is one of libFuzzer's and runs that long; without, it runs some thousand inputs."""
import glob
import io
import json
import os
import subprocess
import sys
import tarfile
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


# Keys and signatures of "x" that were made for this.
SIGNED = [(b'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKejFGo0Yqc9GvLnuEyu0u0Vx8iJWWPo9RM03mjCy6cQ c',
           b'-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgp6MUajRipz0a8ue4TK7S7RXHyI\nlZY+j1EzTeaMLLpxAAAAADZ2l0AAAAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1lZDI1NTE5\nAAAAQDSSgENlLBfLbAc4b30gKkQjWWLUfPQgs2d/pjfGBBluPZR8jkSKFSS6c+QOWXaXtD\nEmHCcHnYFeBTZClPXBTwo=\n-----END SSH SIGNATURE-----\n'),
          (b'ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBIRFTfAlpS3hpjEfbl24ih731sgxTgipG76p0CA8m9C+Kv4xQwoy6s3j5BoYf602entHTafAYa4reqrY5/0KN0E= c',
           b'-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAAGgAAAATZWNkc2Etc2hhMi1uaXN0cDI1NgAAAAhuaXN0cDI1NgAAAE\nEEhEVN8CWlLeGmMR9uXbiKHvfWyDFOCKkbvqnQIDyb0L4q/jFDCjLqzePkGhh/rTZ6e0dN\np8Bhrit6qtjn/Qo3QQAAAANnaXQAAAAAAAAABnNoYTUxMgAAAGUAAAATZWNkc2Etc2hhMi\n1uaXN0cDI1NgAAAEoAAAAhAPeRCvOrkRJTRnIXOQE8YWbOj0aFwNs3AU7Tqr4voi7XAAAA\nIQDc1yr0KEafr6/Cdzr9QVLWbDkbMVUhclmnO2aBB1uHlQ==\n-----END SSH SIGNATURE-----\n'),
          (b'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCb5BCihUzxKk824a0mm2WCTGz13wKbpmcLW3YkUKdJKB3jIIqKePMHZ4W4tY76CwkeQrhCCWGUKMNFxKxQd9O6eVeY8cuQYRi2NtC1wU55vyfgf43NMK2S2iT97EjupJgrr2fp7fiV+I4X/LkzD2xQCX1mveXn+52cndt3+ddae7VfpMxbeSVihDHLna1msQUj/X/UeOrVuo5zUqYjQVCxpGyGAnATJaOmvQZySXN9xEvXFXluDBqPi1f0cxDONCWBx4t6zfXglsys+Ma4cVUjZJTXmhy3Q0Uarq3dY+r0WdeU/NocDjzNkutRGiI6kSCRI1KLFKkwqZa7/yKbyt2n c',
           b'-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAARcAAAAHc3NoLXJzYQAAAAMBAAEAAAEBAJvkEKKFTPEqTzbhrSabZY\nJMbPXfApumZwtbdiRQp0koHeMgiop48wdnhbi1jvoLCR5CuEIJYZQow0XErFB307p5V5jx\ny5BhGLY20LXBTnm/J+B/jc0wrZLaJP3sSO6kmCuvZ+nt+JX4jhf8uTMPbFAJfWa95ef7nZ\nyd23f511p7tV+kzFt5JWKEMcudrWaxBSP9f9R46tW6jnNSpiNBULGkbIYCcBMlo6a9BnJJ\nc33ES9cVeW4MGo+LV/RzEM40JYHHi3rN9eCWzKz4xrhxVSNklNeaHLdDRRqurd1j6vRZ15\nT82hwOPM2S61EaIjqRIJEjUosUqTCplrv/IpvK3acAAAADZ2l0AAAAAAAAAAZzaGE1MTIA\nAAEUAAAADHJzYS1zaGEyLTUxMgAAAQAkl22GM6opFORnCBY6LmSX+uIpXiHDhLSYE4CzhT\nOVxM+ldu+gd08z3P5jnUHNfF2W1Wtnx+xNwI4vnAc66vIb+UYgCenJThASEZ2nBuRWi1aQ\nWvYevm9QumRi9QB0hgrpsS/sfoUSR746S54sCMeU5fErIIrvQG3G1cELM3BC6jVakRtjPE\noXxi9nu+A+JWjF17tNqI3roUnyFg8O0OtH7i+1//CYPcxu3EactV2DR+Fm173kZR9IdSPA\nMpBm9ENPt3b4/04ZFo8kBh2cp/liH1DZKY4ttaX+xCz6zAXH3l9FRLsJKnOZPAdFewPacl\ngjkAWezOR0Bo0CAVkSYY5a\n-----END SSH SIGNATURE-----\n')]
HOSTS = (b"git.example.com,10.0.0.1 %s\n|1|c2FsdHNhbHRzYWx0c2FsdHNhbHQ=|aGFzaGhhc2hoYXNoaGFzaGhhc2g= %s # c\r\n"
         b"[git.example.com]:2222,!*.org %s\n@revoked * %s\n@cert-authority *.example.com %s\nbroken\n")
REFS = (b"003d%s refs/heads/main\n0075%s refs/tags/v1.2.0 peeled:%s\n0052%s HEAD symref-target:refs/heads/main\n0000" %
        ((b"0123456789abcdef0123456789abcdef01234567",) * 4))
COMMIT = (b"tree 0123456789abcdef0123456789abcdef01234567\nauthor a <a@b> 1717243200 +0000\ncommitter a <a@b> 1717243200 +0000\n"
          b"gpgsig %s\n\nmessage\n")
TAG = (b"object 0123456789abcdef0123456789abcdef01234567\ntype commit\ntag v1\ntagger a <a@b> 1717243200 +0000\n\none\n%s")


def tar():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        for name in ("mesh.yaml", "d/" * 60 + "long.yaml"):
            info = tarfile.TarInfo(name)
            info.size = 3
            t.addfile(info, io.BytesIO(b"a: "))
    return out.getvalue()


def servers():
    keys = [key.split(b" c")[0] for key, _ in SIGNED]
    yield b"h" + HOSTS % (keys[0], keys[1], keys[0], keys[2], keys[1])
    yield b"r" + REFS
    yield b"r001e# service=git-upload-pack\n0000000eversion 2\n0019object-format=sha256\n0000"
    yield b"t" + tar()
    for url in (b"https://h.example:8443/a/b.git", b"ssh://git@[fd00::1]:22/~x/y", b"file:///srv/mesh", b"git://h/-x"):
        yield b"u" + url
    yield b"v1.2.3-rc.1+x\n>=1.2 <2, !=1.4 || ^0.3 ~1 1.x"
    for key, signature in SIGNED:
        yield b"s" + b'*@x.org,!b@x.org valid-after="20200101",namespaces="git,f*" ' + key + b"\n\n" + signature
        yield b"c" + COMMIT % signature.strip().replace(b"\n", b"\n ")
        yield b"g" + TAG % signature


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
    return {"json": list(json_texts()), "ignore": IGNORE, "vars": VARS, "agent": AGENT, "import": IMPORT, "servers": list(servers())}[name]


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
