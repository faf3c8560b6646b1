#!/bin/sh
# Makes sure that the tests of the web chat find a Chromium and a Korean font. Does nothing when they are there already.
set -eu
cd "$(dirname "$0")/.."

for browser in chromium chromium-browser google-chrome; do
    command -v "$browser" >/dev/null 2>&1 && exit 0
done

if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "Installing Chromium for the tests of the web chat" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null && exit 0
    echo "apt-get could not install it: trying Playwright's own." >&2
fi

.venv/bin/python -m playwright install --with-deps chromium >&2 || .venv/bin/python -m playwright install chromium >&2 || {
    echo "The web chat's tests need a browser: install chromium (or Google Chrome) and try again." >&2
    exit 2
}
