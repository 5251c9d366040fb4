"""`cargo metadata` on standard input and the lines of `cargo tree` as argument; CycloneDX 1.5 on standard output."""

import json
import sys
import uuid


def compiled(tree):
    """(name, version) of each line, which is `name vVERSION` with a path or a kind behind it."""
    lines = (line.split() for line in tree.splitlines())
    return {(words[0], words[1].removeprefix("v")) for words in lines if len(words) > 1}


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, kind="library"):
    entry = {"type": kind, "bom-ref": purl(package), "name": package["name"], "version": package["version"],
             "purl": purl(package)}
    if package.get("license"):
        entry["licenses"] = [{"expression": " ".join(package["license"].replace("/", " OR ").split())}]
    return entry


def main():
    metadata, wanted = json.load(sys.stdin), compiled(sys.argv[1])
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    packages = {p["id"]: p for p in metadata["packages"] if (p["name"], p["version"]) in wanted}
    root = packages[metadata["resolve"]["root"]]
    libraries = sorted((p for p in packages.values() if p is not root), key=purl)
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        # The same packages have the same number, so that two bills can be compared.
        "serialNumber": "urn:uuid:" + str(uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(map(purl, libraries)))),
        "version": 1,
        "metadata": {"component": component(root, "application")},
        "components": [component(package) for package in libraries],
        "dependencies": [
            {"ref": purl(package),
             "dependsOn": sorted({purl(packages[d["pkg"]]) for d in nodes[package["id"]]["deps"] if d["pkg"] in packages})}
            for package in sorted(packages.values(), key=purl)
        ],
    }
    json.dump(document, sys.stdout, indent=1)
    sys.stdout.write("\n")


main()
