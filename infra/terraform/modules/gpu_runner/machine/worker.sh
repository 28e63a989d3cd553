# The unprivileged part: the project at one commit, its environment, DVC's remote, then a Prefect worker in its place.
#
# JUDGEFORGE_HOME     where the checkout goes
# JUDGEFORGE_VENV     an environment that is there already (an image with everything baked in); otherwise one is made
# JUDGEFORGE_ENDING   where the watchdog says that the machine is about to end
# JUDGEFORGE_MACHINE  the machine's id, if not to be asked for; all processes of the worker carry it
set -euo pipefail

fail() {
  echo "error: $1 Remedy: $2" >&2
  exit 75
}

# Networks and rights that were granted a moment ago need more than one try.
retry() {
  local attempt
  for attempt in 1 2 3 4 5; do
    if "$@"; then return 0; fi
    [ "$attempt" = 5 ] || sleep "$((attempt * 3))"
  done
  return 1
}

export JUDGEFORGE_HOME="${JUDGEFORGE_HOME:-$default_home}"
export JUDGEFORGE_CHECKOUT="$JUDGEFORGE_HOME/checkout"
export JUDGEFORGE_ENDING="${JUDGEFORGE_ENDING:-$JUDGEFORGE_HOME/ending}"
export DVC_NO_ANALYTICS=1 DO_NOT_TRACK=1 GIT_TERMINAL_PROMPT=0
mkdir -p "$JUDGEFORGE_HOME"
# The watchdog takes a machine that is being set up for busy; only for the first time, since the unit tries for ever.
if [ -e "$JUDGEFORGE_HOME/tried" ]; then
  rm -f "$JUDGEFORGE_HOME/preparing"
else
  echo $$ >"$JUDGEFORGE_HOME/preparing"
  touch "$JUDGEFORGE_HOME/tried"
fi
trap 'rm -f "$JUDGEFORGE_HOME/preparing"' EXIT

JUDGEFORGE_MACHINE="${JUDGEFORGE_MACHINE:-$(retry machine_id)}" || fail "The machine's id is not known." "is its metadata service on?"
export JUDGEFORGE_MACHINE
venv="${JUDGEFORGE_VENV:-}"
machine_python="${venv:+$venv/bin/}python3"
export machine_python

for each in $secrets; do
  value="$(retry machine_secret "${each#*=}")" || fail "The secret ${each#*=} cannot be read." "is it in the store, and may this machine read it?"
  export "${each%%=*}=$value"
done
if [ -n "${GIT_TOKEN:-}" ]; then
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=credential.helper
  # shellcheck disable=SC2016 # git's own shell expands it, so that the token stands in no file and on no command line
  export GIT_CONFIG_VALUE_0='!f() { echo username=x-access-token; echo "password=$GIT_TOKEN"; }; f'
fi

if [ ! -d "$JUDGEFORGE_CHECKOUT/.git" ]; then
  retry git clone --quiet --no-checkout -- "$repository_url" "$JUDGEFORGE_CHECKOUT" ||
    fail "$repository_url cannot be cloned." "is it reachable from here, and is GIT_TOKEN among the secrets if it is private?"
fi
cd "$JUDGEFORGE_CHECKOUT"
git cat-file -e "$commit^{commit}" 2>/dev/null || retry git fetch --quiet origin "$commit" ||
  fail "Commit $commit is not in $repository_url." "push it."
git checkout --quiet --force --detach "$commit"

if [ -z "$venv" ]; then
  for target in $setup_targets; do
    JUDGEFORGE_EXTRAS="$extras" retry make --no-print-directory "$target" ||
      fail "The environment could not be made: make $target." "see above."
  done
  venv="$JUDGEFORGE_CHECKOUT/.venv"
elif [[ " $setup_targets " == *" setup-vllm "* ]]; then
  # Told now, and not after hours of training.
  "$venv/bin/python" -c 'import importlib.util as u; raise SystemExit(u.find_spec("vllm") is None)' ||
    fail "A stage judges by vLLM, and the image's environment $venv has none." "install it there, or set evaluate.engine to transformers."
fi
export PATH="$venv/bin:$PATH"
# An environment from elsewhere may hold the project at another commit; the checkout comes first.
export PYTHONPATH="$JUDGEFORGE_CHECKOUT/src:$JUDGEFORGE_CHECKOUT"

dvc remote add --quiet --default --force --local judgeforge "$remote_url"
if [ -n "${AWS_ENDPOINT_URL:-}" ]; then
  dvc remote modify --quiet --local judgeforge endpointurl "$AWS_ENDPOINT_URL"
fi

echo $$ >"$JUDGEFORGE_HOME/worker.pid"
rm -f "$JUDGEFORGE_HOME/preparing"
# A stage waits for the worker's next look, 10 s by default.
export PREFECT_WORKER_QUERY_SECONDS="${PREFECT_WORKER_QUERY_SECONDS:-2}"
exec prefect worker start --type process --pool "$pool" --limit 1 --name "judgeforge-$JUDGEFORGE_MACHINE"
