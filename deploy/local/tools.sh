# shellcheck shell=bash
# The tools that must be installed. Root on Debian or Ubuntu gets them with apt-get; for others one line says what to
# install. Sourced, not run.

is_root() { ((EUID == 0)); }
can_install() { is_root && command -v apt-get >/dev/null; }

# need COMMAND PACKAGE…: makes sure that COMMAND exists.
need() {
    local command=$1
    shift
    command -v "$command" >/dev/null || install_packages "$command" "$@"
    command -v "$command" >/dev/null || fail_setup "$command is still missing after installing $*"
}

# install_packages WHAT PACKAGE…
install_packages() {
    local what=$1
    shift
    can_install || fail_setup "$what is missing. Install it with: sudo apt-get install $*"
    step "Installing $*" apt_install "$@"
}

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    exec 9>/var/lock/pom-cases-apt.lock
    flock 9 # two starts at the same time take turns
    [[ -n $(find /var/lib/apt/lists -name '*Packages*' -mmin -720 -print -quit 2>/dev/null) ]] ||
        apt-get update || return 1
    apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
}

# What every start needs. Rust is not installed here: use its own installer.
need_tools() {
    command -v cargo >/dev/null ||
        fail_setup "cargo is missing. Install Rust (https://rustup.rs), then open a new shell"
    need cc gcc libc6-dev
    need flock util-linux
    need setpriv util-linux
    export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
}

# make_venv DIRECTORY REQUIREMENTS: creates a Python environment with exactly these packages, again whenever the
# requirements change. Two starts at the same time take turns.
make_venv() {
    local venv=$1 requirements=$2
    mkdir -p "$(dirname "$venv")" || return 1
    exec 8>"$venv.lock" || return 1
    flock 8
    cmp -s "$requirements" "$venv/made-from.txt" && return 0
    rm -rf "$venv"
    python3 -m venv "$venv" &&
        "$venv/bin/python" -m pip install --disable-pip-version-check --no-input -r "$requirements" &&
        cp "$requirements" "$venv/made-from.txt"
}

# ensure_venv TEXT DIRECTORY REQUIREMENTS
ensure_venv() {
    local text=$1 venv=$2 requirements=$3
    cmp -s "$requirements" "$venv/made-from.txt" && [[ -x $venv/bin/python ]] && return
    need_python
    [[ ! -e $ROOT/.local || -w $ROOT/.local ]] ||
        fail_setup "$ROOT/.local belongs to another user. Remove it, or work in a checkout of your own"
    step "$text" make_venv "$venv" "$requirements"
}

need_python() {
    need python3 python3 python3-venv
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages "Python's venv module" python3-venv
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        fail_setup "Python 3.10 or newer is needed; $(command -v python3) is $(python3 -V)"
}
