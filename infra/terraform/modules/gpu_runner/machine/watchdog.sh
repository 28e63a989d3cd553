# Ends this machine when it is idle, past its life, or about to be taken away; stages seal their checkpoints first.
#
# A process belongs to the worker if JUDGEFORGE_MACHINE stands in its environment, and to a flow run if
# PREFECT__FLOW_RUN_ID does: both are inherited, so that nothing is missed that lost its parent.
set -uo pipefail

log() { echo "watchdog: $*" >&2; }

uptime_s() {
  local seconds
  read -r seconds _ <"${JUDGEFORGE_UPTIME:-/proc/uptime}" && echo "${seconds%%.*}"
}

list_flow_processes() {
  local file
  for file in /proc/[0-9]*/environ; do
    if grep -qzxF -- "JUDGEFORGE_MACHINE=$machine" "$file" 2>/dev/null && grep -qz '^PREFECT__FLOW_RUN_ID=' "$file" 2>/dev/null; then
      file="${file#/proc/}"
      # One that has ended but is still listed holds nobody up.
      if [ "$(sed 's/.*) //' "/proc/${file%/environ}/stat" 2>/dev/null | cut -c1)" != Z ]; then echo "${file%/environ}"; fi
    fi
  done
}

# A stage is Python that runs one of our modules; a shell that DVC put before it has the same words in its command line.
is_stage() { tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -qE '^[^ ]*python[0-9.]* (-[^m ][^ ]* )*-m judgeforge\.'; }

find_parent() { sed -n 's/^PPid:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null; }

is_within_stage() {
  local above
  above="$(find_parent "$1")"
  while [ "${above:-0}" -gt 1 ]; do
    if is_stage "$above"; then return 0; fi
    above="$(find_parent "$above")"
  done
  return 1
}

# SIGTERM to the stage alone: the flow run, which pushes the checkpoint afterwards, must live.
# What a stage started itself (one process for each GPU) is the stage's to end.
end_stages() {
  local process
  for process in $(list_flow_processes); do
    if is_stage "$process" && ! is_within_stage "$process"; then
      log "asking process $process to seal its checkpoint and stop"
      kill -TERM "$process" 2>/dev/null
    fi
  done
}

seal() {
  local deadline=$((SECONDS + checkpoint_grace_s))
  echo "$1" >"$ending"
  log "this machine ends: $1"
  end_stages
  while [ -n "$(list_flow_processes)" ]; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      log "flow runs are still at work after $checkpoint_grace_s s; ending all the same"
      return
    fi
    pause 1
  done
}

# A trap runs only between commands: wait can be interrupted, sleep cannot.
pause() {
  sleep "$1" &
  wait $!
}

# The home is the worker's, so root writes nothing there: a link that code of a stage left would lead it anywhere.
home="${JUDGEFORGE_HOME:-$default_home}"
ending="${JUDGEFORGE_ENDING:-$home/ending}"
until machine="${JUDGEFORGE_MACHINE:-$(machine_id)}" && [ -n "$machine" ]; do sleep 5; done
stopped=
trap 'stopped=yes' TERM
busy_at="$(uptime_s)"
reason=
log "watching $machine: $idle_minutes minutes idle, $max_life_minutes of life"
while [ -z "$reason$stopped" ]; do
  now="$(uptime_s)"
  if [ -e "$home/preparing" ] || [ -n "$(list_flow_processes)" ]; then busy_at="$now"; fi
  if machine_reclaimed; then
    reason=reclaimed
  elif [ "$now" -ge "$((max_life_minutes * 60))" ]; then
    reason=life
  elif [ "$((now - busy_at))" -ge "$((idle_minutes * 60))" ]; then
    reason=idle
  else
    pause "${JUDGEFORGE_POLL_S:-5}"
  fi
done

if [ -n "$stopped" ]; then
  seal "shut down from outside"
  exit 0
fi
trap '' TERM # what ends the machine ends this script, too, and must not be cut short by it
seal "$reason"
until machine_end "$reason"; do
  log "the machine could not be ended; trying again"
  sleep 10
done
log "ended"
