# What a machine may do: its prefix of one bucket, the parameters named for it, and ending itself. There are no keys.

data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

locals {
  remote    = regex("^s3://(?P<bucket>[^/]+)/(?P<prefix>.+)$", var.remote_url)
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id
  bucket    = "arn:${local.partition}:s3:::${local.remote.bucket}"
  statements = concat(
    [
      {
        Sid       = "ListTheRemote"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = [local.bucket]
        Condition = { StringLike = { "s3:prefix" = [local.remote.prefix, "${local.remote.prefix}/*"] } }
      },
      {
        Sid      = "UseTheRemote"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
        Resource = ["${local.bucket}/${local.remote.prefix}/*"]
      },
    ],
    length(var.secrets) == 0 ? [] : [{
      Sid    = "ReadTheNamedParameters"
      Effect = "Allow"
      Action = ["ssm:GetParameter"]
      Resource = [
        for name in sort(distinct(values(var.secrets))) :
        "arn:${local.partition}:ssm:${var.region}:${local.account}:parameter/${trimprefix(name, "/")}"
      ]
    }],
    length(var.kms_key_arns) == 0 ? [] : [{
      Sid      = "UseTheNamedKeysThroughS3AndParameters"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = var.kms_key_arns
      Condition = { StringEquals = {
        "kms:ViaService" = ["s3.${var.region}.amazonaws.com", "ssm.${var.region}.amazonaws.com"]
      } }
    }],
    !local.in_group ? [] : [{
      Sid       = "EndMachinesOfThisRun"
      Effect    = "Allow"
      Action    = ["autoscaling:TerminateInstanceInAutoScalingGroup"]
      Resource  = ["arn:${local.partition}:autoscaling:${var.region}:${local.account}:autoScalingGroup:*:autoScalingGroupName/${local.name}-*"]
      Condition = { StringEquals = { "aws:ResourceTag/judgeforge:owner" = var.owner, "aws:ResourceTag/judgeforge:run" = var.run } }
    }],
  )
}

resource "aws_iam_role" "machine" {
  name_prefix = "${local.name}-"
  description = "judgeforge: machines of flow run ${var.run}"
  tags        = local.tags

  permissions_boundary = var.permissions_boundary
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.${data.aws_partition.current.dns_suffix}" }
    }]
  })
}

resource "aws_iam_role_policy" "machine" {
  name   = "machine"
  role   = aws_iam_role.machine.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

resource "aws_iam_instance_profile" "machine" {
  name_prefix = "${local.name}-"
  role        = aws_iam_role.machine.name
  depends_on  = [aws_iam_role_policy.machine] # a machine finds its rights when it starts
}
