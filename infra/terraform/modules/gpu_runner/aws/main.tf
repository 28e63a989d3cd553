# Machines with GPUs on AWS for one flow run: what all modes share. Who may do what stands in role.tf.

module "machine" {
  source             = "../machine"
  pool               = var.pool
  prefect_api_url    = var.prefect_api_url
  repository_url     = var.repository_url
  commit             = var.commit
  extras             = var.extras
  setup_targets      = var.setup_targets
  remote_url         = var.remote_url
  environment        = merge({ AWS_DEFAULT_REGION = var.region }, var.environment)
  secrets            = var.secrets
  idle_minutes       = var.idle_minutes
  max_life_minutes   = var.max_life_minutes
  checkpoint_grace_s = var.checkpoint_grace_s
  packages           = ["python3-boto3"]
  provider_functions = join("\n", [
    "readonly in_group=${local.in_group ? "yes" : "no"}",
    "export AWS_DEFAULT_REGION=${var.region}",
    file("${path.module}/functions.sh"),
  ])
}

locals {
  in_group = var.mode == "group"
  name     = "judgeforge-${substr(var.run, 0, 8)}"
  tags = {
    Name                 = local.name
    "judgeforge:owner"   = var.owner
    "judgeforge:run"     = var.run
    "judgeforge:expires" = var.expires
    "judgeforge:commit"  = var.commit
  }
}

# Asked for the name of its root disk: a disk under another name would come beside it, and leave the root unencrypted.
data "aws_ami" "image" {
  owners = var.image_owners
  filter {
    name   = "image-id"
    values = [var.image_id]
  }
}

resource "aws_security_group" "machine" {
  name_prefix = "${local.name}-"
  description = "judgeforge: nothing comes in; out only to the ports that a worker needs"
  vpc_id      = var.vpc_id
  ingress     = []
  tags        = local.tags

  # Names are resolved, and the time is told, by the network itself, which no rule holds up.
  dynamic "egress" {
    for_each = toset(var.egress_ports)
    content {
      description = "to port ${egress.value}"
      from_port   = egress.value
      to_port     = egress.value
      protocol    = "tcp"
      cidr_blocks = var.egress_cidrs
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}
