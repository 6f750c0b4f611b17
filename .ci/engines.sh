#!/bin/sh
# Installs Docker and Podman from Debian and starts the Docker daemon, for the tests marked
# `docker` and `podman`. Does nothing twice. Needs root; without it the tests skip and say why.
set -eu

[ "$(id -u)" -eq 0 ] || { echo "engines: not root, container tests will be skipped"; exit 0; }

missing=""
command -v dockerd >/dev/null || missing="$missing docker.io"
command -v podman >/dev/null || missing="$missing podman"
if [ -n "$missing" ]; then
  apt-get update -qq
  # shellcheck disable=SC2086  # a list of package names
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    runc iptables ca-certificates $missing >/dev/null
fi

if docker info >/dev/null 2>&1; then
  echo "engines: docker is up"
else
  # Steps never have a network, so the daemon needs no bridge and no firewall rules.
  nohup dockerd --bridge=none --iptables=false >/var/log/dockerd.log 2>&1 &
  for _ in $(seq 60); do
    docker info >/dev/null 2>&1 && break
    sleep 0.5
  done
  docker info >/dev/null 2>&1 || { echo "engines: dockerd did not start:"; tail -20 /var/log/dockerd.log; exit 1; }
  echo "engines: docker started"
fi
podman --version
