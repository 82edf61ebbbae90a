#!/usr/bin/env python3
"""embed.py OUTPUT.c FILE...: JSON files as constant nodes (base/node.h), other files as text, so that the program need
not read or parse them when it starts."""
import json
import os
import sys


def quote(s):
    out = []
    for byte in s.encode():
        out.append(chr(byte) if 32 <= byte < 127 and byte not in b'"\\?' else f"\\{byte:03o}")
    return '"' + "".join(out) + '"'


class Writer:
    def __init__(self):
        self.arrays = []

    def items(self, values):
        """Writes an array of nodes and returns its name. Children come first in the file."""
        rows = [self.node(key, value) for key, value in values]
        name = f"n{len(self.arrays)}"
        self.arrays.append(f"static const struct node {name}[] = {{\n\t" + ",\n\t".join(rows) + "\n};")
        return name

    def node(self, key, value):
        fields = [f".key = {quote(key)}"] if key is not None else []
        if value is None:
            fields.append(".type = NODE_NULL")
        elif isinstance(value, bool):
            fields += [".type = NODE_BOOL", f".boolean = {str(value).lower()}"]
        elif isinstance(value, int):
            fields += [".type = NODE_INT", f".integer = INT64_C({value})"]
        elif isinstance(value, float):
            fields += [".type = NODE_REAL", f".real = {value!r}"]
        elif isinstance(value, str):
            fields += [".type = NODE_STRING", f".n = {len(value.encode())}", f".string = {quote(value)}"]
        else:
            pairs = list(value.items()) if isinstance(value, dict) else [(None, item) for item in value]
            fields += [f".type = {'NODE_MAP' if isinstance(value, dict) else 'NODE_LIST'}", f".n = {len(pairs)}"]
            if pairs:
                fields.append(f".items = {self.items(pairs)}")
        return "{ " + ", ".join(fields) + " }"


def main(output, files):
    writer, nodes, texts = Writer(), [], []
    for path in files:
        name = os.path.basename(path)
        with open(path, encoding="utf-8") as f:
            if path.endswith(".json"):
                nodes.append((name, json.load(f)))
            else:
                texts.append((name, f.read()))
    root = writer.items(nodes)
    rows = [f"\t{{ {quote(name)}, {quote(text)} }}" for name, text in texts]
    with open(output, "w", encoding="utf-8") as f:
        f.write("/* Made by embed.py. */\n" '#include "config/embedded.h"\n\n')
        f.write("\n\n".join(writer.arrays))
        f.write(f"\n\nconst struct node embedded_schemas = "
                f"{{ .type = NODE_MAP, .n = {len(nodes)}, .items = {root} }};\n\n")
        f.write("const struct embedded_text embedded_texts[] = {\n" + "".join(f"{row},\n" for row in rows) +
                "\t{ 0 },\n};\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
