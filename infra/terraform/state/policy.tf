# What the host of the flows may do, and what no role that it makes for machines may exceed. Whom the flow's are attached to is
# the account's business: a role of the host, or a user.

data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

locals {
  boundary  = "judgeforge-${var.owner}-boundary"
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
}

module "flow_policy" {
  source               = "../modules/flow_policy"
  partition            = local.partition
  dns_suffix           = data.aws_partition.current.dns_suffix
  account              = local.account
  region               = var.region
  owner                = var.owner
  states_bucket        = aws_s3_bucket.this["states"].id
  state_prefix         = var.state_prefix
  artifacts_bucket     = aws_s3_bucket.this["artifacts"].id
  remote_prefix        = var.remote_prefix
  parameter_prefix     = var.parameter_prefix
  kms_key_arn          = var.kms_key_arn
  machine_boundary_arn = "arn:${local.partition}:iam::${local.account}:policy/${local.boundary}"
}

resource "aws_iam_policy" "flow" {
  for_each    = module.flow_policy.flow
  name        = "judgeforge-${var.owner}-flow-${each.key}"
  description = "judgeforge: what the host of the flows of ${var.owner} uses"
  policy      = each.value
  tags        = local.tags
}

resource "aws_iam_policy" "boundary" {
  name        = local.boundary
  description = "judgeforge: what no role of a machine of ${var.owner} may exceed"
  policy      = module.flow_policy.machine_boundary
  tags        = local.tags
}
