#!/usr/bin/env bash
# What the tests need beyond the workflow: a browser that opens the report, and a SLURM to run the profile on.
set -euo pipefail

has() { command -v "$1" >/dev/null; }
has_browser() { has chromium || has chromium-browser || has google-chrome; }
has_slurm() { has slurmctld && has slurmd && has slurmdbd && has munged && has mariadbd; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

packages=()
has_browser || packages+=(chromium)
# A machine with a SLURM of its own keeps it: the tests leave it alone and say so.
has_slurm || [ -e /etc/slurm/slurm.conf ] || packages+=(slurmctld slurmd slurm-client slurmdbd munge mariadb-server slurm-wlm-mysql-plugin slurm-wlm)
has modulecmd || [ -e /usr/share/modules/init/bash ] || packages+=(environment-modules)
if [ ${#packages[@]} -gt 0 ] && has apt-get && as_root true 2>/dev/null; then
    echo "[setup] installing what the tests need: ${packages[*]}"
    as_root apt-get update -qq
    for package in "${packages[@]}"; do  # one that this system lacks does not keep the others away
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null || true
    done
fi
if ! has_browser; then
    echo "[setup] the tests open the report in a browser, and none is here. Install one and run 'make test' again:" >&2
    echo "[setup]   Debian: sudo apt-get install chromium      Ubuntu: sudo snap install chromium, or Google's Chrome" >&2
    exit 1
fi
if ! has_slurm && [ ! -e /etc/slurm/slurm.conf ]; then
    echo "[setup] no SLURM could be installed: tests/slurm will say so (in CI that is a failure)" >&2
fi
