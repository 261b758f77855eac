#!/bin/sh
# Makes sure that the real servers which the tests start are installed (and Python's venv, for
# venv.sh), and prints which were found.
# Installs Debian packages only when something is missing. The tests start their own servers in
# temporary folders as an ordinary user: no service of the system is started or enabled here.
set -eu

python=/usr/bin/python3 # Debian's modules belong to Debian's Python, not to one found first in PATH

fail() {
    echo "servers: $1" >&2
    exit 1
}

# Package -> what must work once it is there.
works() {
    case "$1" in
    dovecot-imapd) [ -x /usr/lib/dovecot/imap ] && sbin dovecot >/dev/null ;;
    dovecot-lmtpd) [ -x /usr/lib/dovecot/lmtp ] ;;
    dovecot-submissiond) [ -x /usr/lib/dovecot/submission ] ;;
    radicale) [ -x /usr/bin/radicale ] && $python -c 'import radicale' 2>/dev/null ;;
    xandikos) [ -x /usr/bin/xandikos ] && $python -c 'import xandikos' 2>/dev/null ;;
    python3-aiosmtpd) $python -c 'import aiosmtpd' 2>/dev/null ;;
    python3-venv) $python -c 'import ensurepip, venv' 2>/dev/null ;;
    openssl) command -v openssl >/dev/null 2>&1 ;;
    iproute2) sbin ip >/dev/null ;;
    esac
}

sbin() {
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1"
}

missing_packages() {
    for package in dovecot-imapd dovecot-lmtpd dovecot-submissiond radicale xandikos python3-aiosmtpd python3-venv openssl iproute2; do
        works "$package" || printf '%s ' "$package"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo -n env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

apt_install() {
    # shellcheck disable=SC2086 # a list of package names
    as_root apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends --no-remove $missing >"$log" 2>&1
}

# Packages start their service on installation unless this file says no.
policy=/usr/sbin/policy-rc.d
forbid_services() {
    [ -e $policy ] && return
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
    placed_policy=yes
}

clean_up() {
    [ -z "${placed_policy:-}" ] || as_root rm -f $policy
    [ -z "${log:-}" ] || rm -f "$log"
}

missing=$(missing_packages)
if [ -n "$missing" ]; then
    wanted="the tests need these Debian packages: $missing"
    command -v apt-get >/dev/null 2>&1 || fail "$wanted(no apt-get here: install their equivalents)"
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null ||
        fail "$wanted- run as root: apt-get install --no-install-recommends $missing"
    echo "servers: installing $missing"
    log=$(mktemp)
    trap clean_up EXIT
    trap 'exit 1' INT TERM
    forbid_services
    # An old package list shows as a failed install, so the list is fetched only then.
    if ! apt_install && ! { as_root apt-get -o DPkg::Lock::Timeout=120 update -qq >"$log" 2>&1 && apt_install; }; then
        tail -n 5 "$log" >&2
        fail "apt-get could not install: $missing(its last words stand above)"
    fi
    if [ -d /run/systemd/system ]; then
        for package in $missing; do
            case "$package" in
            dovecot-imapd) as_root systemctl disable --quiet dovecot.service dovecot.socket ;;
            radicale) as_root systemctl disable --quiet radicale.service ;;
            esac || echo "servers: could not disable the system service of $package" >&2
        done
    fi
    missing=$(missing_packages)
    [ -z "$missing" ] || fail "installed, but still not usable: $missing"
fi

dovecot=$("$(sbin dovecot)" --version | cut -d' ' -f1)
radicale=$($python /usr/bin/radicale --version)
xandikos=$($python -c 'import xandikos; print(".".join(map(str, xandikos.__version__)))')
aiosmtpd=$($python -c 'import aiosmtpd; print(aiosmtpd.__version__)')
echo "servers: Dovecot $dovecot (IMAP, LMTP, submission), Radicale $radicale and Xandikos $xandikos (CalDAV), aiosmtpd $aiosmtpd (SMTP)"
