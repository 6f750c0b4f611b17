#!/bin/sh
# Installs Chromium from Debian for the tests in tests/pages, which drive it. Does nothing twice.
# Needs root; without it those tests skip and say why.
set -eu

command -v chromium >/dev/null && exit 0
[ "$(id -u)" -eq 0 ] || { echo "browser: not root, tests of pages will be skipped"; exit 0; }
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
chromium --version
