# Machines for one flow run. Where the state lies comes with 'terraform init -backend-config=...'; its key is the run's.

terraform {
  required_version = ">= 1.11.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 3.39.0, < 7.0.0"
    }
  }
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region
}

module "gpu_runner" {
  source                   = "../modules/gpu_runner/aws"
  owner                    = var.owner
  run                      = var.run
  expires                  = var.expires
  region                   = var.region
  vpc_id                   = var.vpc_id
  subnet_ids               = var.subnet_ids
  image_id                 = var.image_id
  image_owners             = var.image_owners
  mode                     = var.mode
  machine_types            = var.machine_types
  machines                 = var.machines
  spot                     = var.spot
  capacity_minutes         = var.capacity_minutes
  disk_gib                 = var.disk_gib
  disk_kms_key_id          = var.disk_kms_key_id
  egress_ports             = var.egress_ports
  egress_cidrs             = var.egress_cidrs
  extra_security_group_ids = var.extra_security_group_ids
  placement_group          = var.placement_group
  remote_url               = var.remote_url
  kms_key_arns             = var.kms_key_arns
  permissions_boundary     = var.permissions_boundary
  pool                     = var.pool
  prefect_api_url          = var.prefect_api_url
  repository_url           = var.repository_url
  commit                   = var.commit
  extras                   = var.extras
  setup_targets            = var.setup_targets
  environment              = var.environment
  secrets                  = var.secrets
  idle_minutes             = var.idle_minutes
  max_life_minutes         = var.max_life_minutes
  checkpoint_grace_s       = var.checkpoint_grace_s
}
