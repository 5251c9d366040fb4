# shellcheck shell=bash
# What some tests need from Debian: an LDAP server for the tests of the e-mail directory, which start and stop it
# themselves, and a library that shifts clocks for the fault tests. Sourced, not run.
#
# Debian's package of slapd would configure and start a server on port 389, so the packages are unpacked inside the checkout
# instead of being installed. That also works for a normal user, if apt has its lists.

# slapd and the libraries that a bare Debian or Ubuntu lacks.
SLAPD_PACKAGES=(slapd libltdl7 libwrap0)

# Exports SLAPD_HOME, the directory that contains `usr/sbin/slapd`. If there is none, says that the tests which need it
# are skipped.
ensure_slapd() {
    [[ -n ${SLAPD_HOME:-} ]] && return
    local unpacked="$ROOT/.local/slapd"
    if [[ -x $unpacked/usr/sbin/slapd ]]; then
        export SLAPD_HOME=$unpacked
    elif [[ -x /usr/sbin/slapd ]]; then
        export SLAPD_HOME=/
    elif command -v apt-get >/dev/null && command -v dpkg >/dev/null; then
        say "Fetching slapd …"
        # Not a step, whose failure would end the script: everything else can be tested without slapd.
        if unpack "$unpacked" usr/sbin/slapd "${SLAPD_PACKAGES[@]}" >"$STATE/logs/slapd" 2>&1; then
            export SLAPD_HOME=$unpacked
        fi
    fi
    [[ -n ${SLAPD_HOME:-} ]] ||
        say "slapd is missing (sudo apt-get install slapd); the tests of the e-mail directory are skipped"
}

# Exports FAKETIME_LIBRARY, which shifts the clock of a process, for the fault tests. If there is none, says so.
ensure_faketime() {
    local unpacked="$ROOT/.local/faketime" found
    [[ -n ${FAKETIME_LIBRARY:-} ]] && return
    if [[ ! -d $unpacked/usr ]] && command -v apt-get >/dev/null && command -v dpkg >/dev/null; then
        say "Fetching libfaketime …"
        unpack "$unpacked" usr libfaketime >"$STATE/logs/faketime" 2>&1 || true
    fi
    found=$(find "$unpacked" /usr/lib -name libfaketimeMT.so.1 -print -quit 2>/dev/null || true)
    if [[ -n $found ]]; then
        export FAKETIME_LIBRARY=$found
    else
        say "libfaketime is missing (sudo apt-get install libfaketime); no clock is shifted"
    fi
}

# unpack DIRECTORY PATH PACKAGE…: unpacks packages of Debian there, unless PATH is in it already.
unpack() {
    local into=$1 path=$2 downloads package
    shift 2
    mkdir -p "$ROOT/.local" || return 1
    exec 7>"$into.lock" || return 1
    flock 7 # two starts at the same time take turns
    [[ -e $into/$path ]] && return
    [[ -n $(find /var/lib/apt/lists -name '*Packages*' -print -quit 2>/dev/null) ]] || apt-get update || return 1
    downloads=$(mktemp -d) || return 1
    (cd "$downloads" && apt-get download "$@") || return 1
    rm -rf "$into.new"
    for package in "$downloads"/*.deb; do
        dpkg -x "$package" "$into.new" || return 1
    done
    rm -rf "$downloads"
    mv "$into.new" "$into"
}
