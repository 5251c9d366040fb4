"""Checks documents that are read by machines elsewhere: dashboard, compose file, filter policies."""

import json
import pathlib

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


for check in (dashboard, compose, policies):
    check()
