# What only AWS knows. The metadata service is asked by version 2 alone; rights come from the machine's role, not from keys.

ask_metadata() {
  local address token
  address="${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}"
  token="$(curl -fsS -m 2 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "${address%/}/latest/api/token")" &&
    curl -fsS -m 2 -H "X-aws-ec2-metadata-token: $token" "${address%/}/latest/meta-data/$1"
}

machine_id() { ask_metadata instance-id; }

machine_reclaimed() { ask_metadata spot/instance-action >/dev/null 2>&1; }

machine_secret() {
  "${machine_python:-python3}" - "$1" <<'PYTHON'
import sys, boto3
print(boto3.client("ssm").get_parameter(Name=sys.argv[1], WithDecryption=True)["Parameter"]["Value"])
PYTHON
}

# A group is told not to replace the machine, except where AWS takes it away: then the work goes on on another one.
# Powering off ends the machine in any case.
machine_end() {
  if [ "$in_group" = yes ]; then
    "${machine_python:-python3}" - "${JUDGEFORGE_MACHINE:-$(machine_id)}" "$1" <<'PYTHON' && return
import sys, boto3
boto3.client("autoscaling").terminate_instance_in_auto_scaling_group(
    InstanceId=sys.argv[1], ShouldDecrementDesiredCapacity=sys.argv[2] != "reclaimed"
)
PYTHON
    echo "the group did not take it; powering off" >&2
  fi
  systemctl poweroff
}
