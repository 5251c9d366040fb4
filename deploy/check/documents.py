"""Checks documents that are read by machines elsewhere: dashboard, compose file, filter policies, AsyncAPI document."""

import json
import pathlib
import tomllib

import jsonschema
import yaml

DEPLOY = pathlib.Path(__file__).resolve().parent.parent


def dashboard():
    board = json.loads((DEPLOY / "helm/manage-pom-cases-and-delius/dashboards/service.json").read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids)), "two panels of one id"
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, f"{panel['title']} does not fit"
        for target in panel.get("targets", []):
            assert 'namespace="$namespace"' in target["expr"], f"{panel['title']} looks at every namespace"


def compose():
    services = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())["services"]
    for name, service in services.items():
        assert ("image" in service) != ("build" in service), f"{name}: an image or a build"
        assert ":" in service.get("image", ":") and not service.get("image", "").endswith(":latest"), f"{name}: not pinned"
        for other in service.get("depends_on", {}):
            assert other in services, f"{name} depends on {other}, which is not there"


def policies():
    seen = {}
    for file in sorted((DEPLOY / "sns").glob("*.json")):
        policy = json.loads(file.read_text())
        assert list(policy) == ["eventType"], file.name
        # A type in two policies would come twice.
        for event_type in policy["eventType"]:
            assert event_type not in seen, f"{event_type} is in {seen[event_type]} and in {file.name}"
            seen[event_type] = file.name
    terraform = (DEPLOY / "terraform/queues.tf").read_text()
    for name in set(seen.values()):
        assert f"/../sns/{name}" in terraform, f"no subscription uses {name}"


def asyncapi():
    """Samples of what is consumed and published are valid by the document, and it names what the policies let through."""
    root = DEPLOY.parent
    document = yaml.safe_load((root / "docs/api/asyncapi.yaml").read_text())
    schemas = document["components"]["schemas"]
    payloads = {
        event_type: message["payload"]
        for message in document["components"]["messages"].values()
        for event_type in message["x-event-types"]
    }
    let_through = {
        event_type
        for file in (DEPLOY / "sns").glob("*.json")
        for event_type in json.loads(file.read_text())["eventType"]
    }
    assert let_through <= set(payloads), f"not documented: {let_through - set(payloads)}"

    checked = set()
    for file in sorted((root / "event-samples").glob("*.json")) + sorted((root / "docs/api/samples").glob("*.json")):
        text = file.read_text()
        # Samples that stand for a message that nobody can read or use are not what the document describes.
        if '"leadsTo": "Parked' in text:
            continue
        event = json.loads(text)
        attributes = event.get("MessageAttributes", {})
        if "Message" in event:
            event = json.loads(event["Message"])
        event_type = attributes.get("eventType", {}).get("Value") or event["eventType"]
        schema = {**payloads[event_type], "components": {"schemas": schemas}}
        for error in jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).iter_errors(event):
            raise AssertionError(f"{file.name}: {'.'.join(map(str, error.path))}: {error.message}")
        checked.add(event_type)
    assert checked == set(payloads), f"no sample of {set(payloads) - checked}"


def dockerfile():
    """The layer of dependencies lays a placeholder for every target that Cargo.toml declares; Cargo refuses otherwise."""
    manifest = tomllib.loads((DEPLOY.parent / "Cargo.toml").read_text())
    text = (DEPLOY / "Dockerfile").read_text()
    targets = [manifest["lib"], *(target for kind in ("bin", "test", "bench", "example") for target in manifest.get(kind, []))]
    for target in targets:
        assert target["path"] in text, f"deploy/Dockerfile has no placeholder for {target['path']}"


for check in (dashboard, compose, policies, asyncapi, dockerfile):
    check()
