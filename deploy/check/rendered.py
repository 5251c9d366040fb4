"""Checks a rendered chart: ENVIRONMENT FILE RULES. Writes the alert rules to RULES, for promtool.

Kubernetes' own kinds are validated against its JSON schemas; beyond that, what our templates have to keep.
"""

import sys

import kubernetes_validate
import yaml

OURS = {"PrometheusRule"}  # kinds of the operators, for which no schema ships with the validator


def pods(documents):
    for document in documents:
        spec = document.get("spec", {})
        if document["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if document["kind"] in ("Job", "CronJob"):
            yield document["metadata"]["name"], spec["template"]["spec"]


def main():
    environment, rendered, rules_file = sys.argv[1:]
    with open(rendered, encoding="utf-8") as file:
        documents = [document for document in yaml.safe_load_all(file) if document]
    for document in documents:
        if document["kind"] not in OURS:
            kubernetes_validate.validate(document, "1.31", strict=True)

    found = list(pods(documents))
    names = [name for name, _ in found]
    assert len(names) == len(set(names)), f"two jobs of one name: {names}"
    for name, pod in found:
        assert pod["securityContext"]["runAsNonRoot"], f"{name} may run as root"
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"], f"{name}: root file system"
            assert "memory" in container["resources"]["limits"], f"{name}: no memory limit"
            variables = {variable["name"]: variable for variable in container.get("env", [])}
            if name.endswith("-retry-dlqs"):
                continue
            assert variables["PGSSLMODE"]["value"] == "verify-full", f"{name}: connection not verified"
            for secret in ("DATABASE_PASSWORD", "CLIENT_SECRET", "LDAP_PASSWORD"):
                assert "value" not in variables.get(secret, {}), f"{name}: {secret} in plain text"
    owner = [
        name
        for name, pod in found
        for container in pod["containers"]
        for variable in container.get("env", [])
        if variable.get("valueFrom", {}).get("secretKeyRef", {}).get("name") == "rds-postgresql-instance-output"
    ]
    assert set(owner) == {"manage-pom-cases-and-delius-migrate"}, f"who has the owner's secret: {set(owner)}"

    rules = next(document for document in documents if document["kind"] == "PrometheusRule")
    text = yaml.safe_dump(rules["spec"])
    assert "NAMESPACE" not in text and f'namespace="pom-{environment}"' in text, "the namespace is not filled in"
    for rule in rules["spec"]["groups"][0]["rules"]:
        assert rule["annotations"]["runbook_url"].endswith("#" + rule["alert"].lower())
        assert rule["labels"]["severity"].startswith("probation-integration-")
    with open(rules_file, "w", encoding="utf-8") as file:
        file.write(text)


main()
