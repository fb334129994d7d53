#!/usr/bin/env bash
# What the tests need beyond the workflow: a browser that opens the report.
set -euo pipefail
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null && exit 0
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
if command -v apt-get >/dev/null && as_root true 2>/dev/null; then
    echo "[setup] installing Chromium, in which the tests open the report"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null || true
fi
if ! command -v chromium >/dev/null; then
    echo "[setup] the tests open the report in a browser, and none is here. Install one and run 'make test' again:" >&2
    echo "[setup]   Debian: sudo apt-get install chromium      Ubuntu: sudo snap install chromium, or Google's Chrome" >&2
    exit 1
fi
