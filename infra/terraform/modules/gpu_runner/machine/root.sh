# The root part, run once by cloud-init: packages, scratch disk, user, services. The rest of the machine runs unprivileged.
set -euo pipefail
home="$default_home"

# Should nothing below work: the machine still goes. Powering off is ending it (the provider's part sees to that).
shutdown -P "+$((max_life_minutes + 15))" || echo "judgeforge: no shutdown could be planned" >&2

missing=()
for package in $packages; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  for attempt in 1 2 3 4 5; do
    if apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; then break; fi
    [ "$attempt" -lt 5 ] || echo "judgeforge: ${missing[*]} could not be installed; is port 80 open to the mirror?" >&2
    sleep 10
  done
fi

# As the Makefile looks for one; an image with everything baked in brings its own.
is_fit='import sys; raise SystemExit(sys.version_info[:2] not in ((3, 11), (3, 12)))'
python=
for candidate in python3.11 python3 python3.12; do
  if "$candidate" -c "$is_fit" >/dev/null 2>&1; then python="$candidate"; fi
done
if [ -z "$python" ] && ! grep -qs '^JUDGEFORGE_VENV=.' "${JUDGEFORGE_IMAGE:-/etc/judgeforge/image.env}"; then
  echo "judgeforge: this image has no Python 3.11 or 3.12 ($(python3 --version 2>&1 || true)), so no worker will come." \
    "Remedy: name an image of Ubuntu 24.04 or Debian 12 in image_id." >&2
fi

# The first whole disk that is empty and used by nobody (a GPU machine's own NVMe) holds the checkout and the models.
mkdir -p "$home"
if ! mountpoint -q "$home"; then
  while read -r disk; do
    if [ "$(lsblk -n "$disk" | wc -l)" = 1 ] && [ -z "$(lsblk -dno MOUNTPOINT "$disk")" ] &&
      signatures="$(wipefs "$disk")" && [ -z "$signatures" ]; then
      mkfs.ext4 -q -m 0 "$disk" && mount -o noatime,nosuid,nodev "$disk" "$home"
      break
    fi
  done < <(lsblk -dnpo NAME,TYPE | awk '$2 == "disk" { print $1 }')
fi

id judgeforge >/dev/null 2>&1 || useradd --system --home-dir "$home" --shell /usr/sbin/nologin judgeforge
chown judgeforge: "$home"
chmod 0750 "$home"
mkdir -p "$logs" # root's own: systemd writes the worker's log as root

systemctl daemon-reload
systemctl enable --now judgeforge-watchdog.service
systemctl enable --now --no-block judgeforge-worker.service
