#!/bin/sh
# Installs the databases that tests start on the loopback: PostgreSQL and Redis. Does nothing where they are.
set -eu
missing=
command -v pg_ctl >/dev/null || ls /usr/lib/postgresql/*/bin/pg_ctl >/dev/null 2>&1 || missing=postgresql
command -v redis-server >/dev/null || missing="$missing redis-server"
[ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "Tests need$(printf ' %s' $missing): install what is missing and try again." >&2
    exit 2
fi
# Debian's packages would start servers of their own; tests start theirs.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
fi
apt-get update -qq >/dev/null
# shellcheck disable=SC2086  # words
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null 2>&1
