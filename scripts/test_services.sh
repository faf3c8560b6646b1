#!/bin/sh
# Installs the services that tests start on the loopback, where they are missing: nginx. Says nothing if there is nothing to do.
set -eu

command -v nginx >/dev/null && exit 0
[ -x /usr/sbin/nginx ] && exit 0
command -v apt-get >/dev/null || { echo "Tests need nginx: install it and try again." >&2; exit 2; }

become() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
# A package of Debian's starts its service at once; tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'become rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | become tee "$policy" >/dev/null
    become chmod +x "$policy"
fi
become apt-get -qq update >/dev/null
become env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends nginx-light >/dev/null 2>&1
