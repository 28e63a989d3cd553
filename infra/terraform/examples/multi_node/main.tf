# Machines for one training that spans them: side by side in one zone, and open to each other.
#
# The module lets nothing in. What nodes need from one another comes as a group of its own, by whose members alone it
# can be reached. JUDGEFORGE_HOSTS is the output hosts; the folder that all nodes mount is yours to bring (EFS or FSx, with
# extra_security_group_ids), see docs/training-distributed.md.

terraform {
  required_version = ">= 1.11.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 3.39.0, < 7.0.0"
    }
  }
}

provider "aws" {
  region = var.region
}

locals {
  name = "judgeforge-nodes-${substr(var.run, 0, 8)}"
}

resource "aws_placement_group" "nodes" {
  name     = local.name
  strategy = "cluster"
  tags     = module.gpu_runner.tags
}

resource "aws_security_group" "nodes" {
  # checkov:skip=CKV2_AWS_5:it is attached to the machines by the module, which checkov does not follow
  name_prefix = "${local.name}-"
  description = "judgeforge: nodes of one training reach each other, and nobody else reaches them"
  vpc_id      = var.vpc_id
  tags        = module.gpu_runner.tags

  ingress {
    description = "from the other nodes"
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    self        = true
  }
  egress {
    description = "to the other nodes"
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    self        = true
  }
}

module "gpu_runner" {
  source                   = "../../modules/gpu_runner/aws"
  owner                    = var.owner
  run                      = var.run
  expires                  = var.expires
  region                   = var.region
  vpc_id                   = var.vpc_id
  subnet_ids               = [var.subnet_id]
  image_id                 = var.image_id
  mode                     = "group"
  machine_types            = [var.machine_type]
  machines                 = var.nodes
  spot                     = false # one node taken away stops them all
  disk_gib                 = 500
  idle_minutes             = 30
  max_life_minutes         = 1440
  placement_group          = aws_placement_group.nodes.name
  extra_security_group_ids = concat([aws_security_group.nodes.id], var.extra_security_group_ids)
  remote_url               = var.remote_url
  repository_url           = var.repository_url
  commit                   = var.commit
  extras                   = ["pipeline", "train", "deepspeed", "gpu", "aws"]
  setup_targets            = ["setup"] # a training alone judges nothing
  pool                     = var.pool
  prefect_api_url          = var.prefect_api_url
  environment              = var.environment
  secrets                  = var.secrets
}
