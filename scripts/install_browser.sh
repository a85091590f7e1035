#!/bin/sh
# Browser tests need a Chromium. Install Debian's when this is root and none is there; otherwise say what will happen.
set -u

for browser in chromium chromium-browser google-chrome; do
    if command -v $browser >/dev/null 2>&1; then
        exit 0
    fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "install_browser: installing Debian's chromium ..."
    export DEBIAN_FRONTEND=noninteractive
    if apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; then
        exit 0
    fi
fi
echo "install_browser: no Chromium here, so browser tests will be skipped. Run as root: apt-get install chromium" >&2
