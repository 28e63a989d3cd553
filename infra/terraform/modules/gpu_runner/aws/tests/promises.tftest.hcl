# What contract.md promises, asked of a provider that is made up: no account, no server.

mock_provider "aws" {
  mock_data "aws_ami" {
    defaults = { id = "ami-0123456789abcdef0", root_device_name = "/dev/xvda" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_instances" {
    defaults = { ids = ["i-2", "i-1"], private_ips = ["10.0.0.5", "10.0.0.4"] }
  }
  mock_resource "aws_iam_instance_profile" {
    defaults = { arn = "arn:aws:iam::123456789012:instance-profile/machine" }
  }
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0", latest_version = 1 }
  }
}

variables {
  owner            = "test"
  run              = "0b7c1d52-3f7e"
  expires          = "2099-01-31T23:00:00Z"
  region           = "eu-central-1"
  vpc_id           = "vpc-0123456789abcdef0"
  subnet_ids       = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  image_id         = "ami-0123456789abcdef0"
  machine_types    = ["g6.xlarge", "g5.xlarge"]
  machines         = 2
  disk_gib         = 100
  max_life_minutes = 240
  idle_minutes     = 10
  remote_url       = "s3://artifacts/team/remote"
  repository_url   = "https://git.example.org/judgeforge.git"
  commit           = "0123456789abcdef0123456789abcdef01234567"
  extras           = ["pipeline", "train"]
  pool             = "gpu"
  prefect_api_url  = "https://prefect.example.org/api"
}

run "group_of_spot_machines" {
  assert {
    condition     = aws_launch_template.machine[0].metadata_options[0].http_tokens == "required"
    error_message = "The metadata service answers without a token."
  }
  assert {
    condition     = one(aws_launch_template.machine[0].block_device_mappings[0].ebs[*].encrypted) == "true"
    error_message = "The disk is not encrypted."
  }
  assert {
    condition     = aws_launch_template.machine[0].block_device_mappings[0].device_name == "/dev/xvda"
    error_message = "The encrypted disk is not the image's root disk."
  }
  assert {
    condition     = aws_launch_template.machine[0].instance_initiated_shutdown_behavior == "terminate"
    error_message = "Powering off does not end the machine."
  }
  assert {
    condition     = toset(aws_launch_template.machine[0].tag_specifications[*].resource_type) == toset(["instance", "volume"])
    error_message = "Machines or disks go without tags."
  }
  assert {
    condition     = length(aws_security_group.machine.ingress) == 0 && toset(aws_security_group.machine.egress[*].to_port) == toset([443])
    error_message = "Something comes in, or goes out elsewhere than to 443."
  }
  assert {
    condition     = aws_autoscaling_group.machine[0].min_size == 0 && one(aws_autoscaling_group.machine[0].mixed_instances_policy[0].instances_distribution[*].on_demand_percentage_above_base_capacity) == 0
    error_message = "The group cannot go to zero, or is not of spot machines."
  }
  assert {
    condition     = aws_autoscaling_schedule.end[0].start_time == var.expires && aws_autoscaling_schedule.end[0].desired_capacity == 0
    error_message = "AWS does not end the machines when they expire."
  }
  assert {
    condition     = output.instance_ids == tolist(["i-1", "i-2"]) && output.private_ips == tolist(["10.0.0.4", "10.0.0.5"])
    error_message = "The machines do not come in one order."
  }
}

run "group_on_demand" {
  variables {
    spot = false
  }
  assert {
    condition     = one(aws_autoscaling_group.machine[0].mixed_instances_policy[0].instances_distribution[*].on_demand_percentage_above_base_capacity) == 100
    error_message = "The group is not on demand."
  }
}

run "group_of_none" {
  variables {
    machines = 0
  }
  assert {
    condition     = length(output.instance_ids) == 0
    error_message = "There are machines where none was asked for."
  }
}

run "group_that_nobody_waits_for" {
  variables {
    capacity_minutes = 0
  }
  assert {
    condition     = aws_autoscaling_group.machine[0].wait_for_capacity_timeout == "0m" && length(output.instance_ids) == 0
    error_message = "The apply waits for machines, or asks for some that need not be there."
  }
}

run "single_machine" {
  variables {
    mode     = "instance"
    machines = 1
    spot     = false
  }
  assert {
    condition     = aws_instance.machine[0].metadata_options[0].http_tokens == "required" && aws_instance.machine[0].root_block_device[0].encrypted
    error_message = "The metadata service answers without a token, or the disk is not encrypted."
  }
  assert {
    condition     = length(aws_autoscaling_group.machine) == 0 && output.group_name == null && output.launch_template_id == null
    error_message = "There is a group besides the single machine."
  }
  assert {
    condition     = !strcontains(output.policy, "autoscaling")
    error_message = "A single machine may end machines of a group."
  }
}

run "rights" {
  variables {
    secrets      = { PREFECT_API_KEY = "/judgeforge/prefect", HF_TOKEN = "hub" }
    kms_key_arns = ["arn:aws:kms:eu-central-1:123456789012:key/1234-abcd"]
  }
  assert {
    condition = toset(flatten([for each in jsondecode(output.policy).Statement : each.Action])) == toset([
      "s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "ssm:GetParameter",
      "kms:Decrypt", "kms:GenerateDataKey", "autoscaling:TerminateInstanceInAutoScalingGroup",
    ])
    error_message = "The machine may do more, or less, than the contract says."
  }
  assert {
    condition = toset(flatten([for each in jsondecode(output.policy).Statement : each.Resource])) == toset([
      "arn:aws:s3:::artifacts", "arn:aws:s3:::artifacts/team/remote/*",
      "arn:aws:ssm:eu-central-1:123456789012:parameter/judgeforge/prefect",
      "arn:aws:ssm:eu-central-1:123456789012:parameter/hub",
      "arn:aws:kms:eu-central-1:123456789012:key/1234-abcd",
      "arn:aws:autoscaling:eu-central-1:123456789012:autoScalingGroup:*:autoScalingGroupName/judgeforge-0b7c1d52-*",
    ])
    error_message = "The machine reaches more, or less, than the contract says."
  }
}

run "bounded_role" {
  variables {
    permissions_boundary = "arn:aws:iam::123456789012:policy/judgeforge-lab-boundary"
  }
  assert {
    condition     = aws_iam_role.machine.permissions_boundary == var.permissions_boundary
    error_message = "The role is not bounded."
  }
}
