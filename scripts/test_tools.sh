#!/bin/sh
# Installs what tests start on the loopback, where it is missing: nginx, PostgreSQL, Redis, and Chromium with a Korean font. Does
# nothing when all is there.
set -eu

missing=
[ -x /usr/sbin/nginx ] || command -v nginx >/dev/null 2>&1 || missing="$missing nginx-light"
command -v pg_ctl >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/pg_ctl >/dev/null 2>&1 || missing="$missing postgresql"
command -v redis-server >/dev/null 2>&1 || missing="$missing redis-server"
command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 ||
    missing="$missing chromium fonts-noto-cjk"
[ -z "$missing" ] && exit 0

become() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
command -v apt-get >/dev/null 2>&1 || {
    echo "The tests need$missing (these are Debian's names): install what is missing and try again." >&2
    exit 2
}
echo "Installing for the tests:$missing" >&2
# Debian's packages would start servers of their own; tests start theirs.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'become rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | become tee "$policy" >/dev/null
    become chmod +x "$policy"
fi
become apt-get -qq update >/dev/null
# shellcheck disable=SC2086  # words
become env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing >/dev/null || {
    echo "apt-get could not install$missing: see the lines above, install what is missing and try again." >&2
    exit 2
}
