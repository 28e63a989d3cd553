# What the host of the flows may do, and what the machines that it makes may do at most: documents only, so that the tests can
# hold them against what is really asked of AWS. Names and tags are those that ../gpu_runner/aws gives.
#
# An action stands alone where its resources want different conditions; a "*" stands only where AWS knows nothing narrower.

locals {
  here      = "${var.region}:${var.account}"
  ec2       = "arn:${var.partition}:ec2:${local.here}"
  iam       = "arn:${var.partition}:iam::${var.account}"
  name      = "judgeforge-????????-*" # a flow run's id begins with eight digits
  groups    = "arn:${var.partition}:autoscaling:${local.here}:autoScalingGroup:*:autoScalingGroupName/${local.name}"
  states    = "arn:${var.partition}:s3:::${var.states_bucket}"
  artifacts = "arn:${var.partition}:s3:::${var.artifacts_bucket}"
  ours      = { StringEquals = { "aws:ResourceTag/judgeforge:owner" = var.owner } }
  to_be     = { "aws:RequestTag/judgeforge:owner" = var.owner }
  bounded   = { "iam:PermissionsBoundary" = var.machine_boundary_arn }

  machines = [
    {
      Sid    = "Look"
      Effect = "Allow"
      Action = [
        "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeScalingActivities",
        "autoscaling:DescribeScheduledActions", "ec2:DescribeImages", "ec2:DescribeInstances",
        "ec2:DescribeInstanceTypes", "ec2:DescribeLaunchTemplates", "ec2:DescribeLaunchTemplateVersions",
        "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeTags", "ec2:DescribeVolumes", "ec2:DescribeVpcs",
      ]
      Resource  = "*"
      Condition = { StringEquals = { "aws:RequestedRegion" = var.region } }
    },
    {
      Sid       = "MakeWithOurTag"
      Effect    = "Allow"
      Action    = ["ec2:CreateLaunchTemplate", "ec2:CreateSecurityGroup"]
      Resource  = ["${local.ec2}:launch-template/*", "${local.ec2}:security-group/*"]
      Condition = { StringEquals = local.to_be }
    },
    {
      Sid       = "StartWithOurTag"
      Effect    = "Allow"
      Action    = "ec2:RunInstances"
      Resource  = ["${local.ec2}:instance/*", "${local.ec2}:volume/*"]
      Condition = { StringEquals = local.to_be }
    },
    {
      Sid    = "StartThereWithThat"
      Effect = "Allow"
      Action = ["ec2:CreateSecurityGroup", "ec2:RunInstances"]
      Resource = [
        "${local.ec2}:network-interface/*", "${local.ec2}:subnet/*", "${local.ec2}:vpc/*",
        "arn:${var.partition}:ec2:${var.region}::image/*", "arn:${var.partition}:ec2:${var.region}::snapshot/*",
      ]
    },
    {
      Sid    = "TagWhatIsBeingMade"
      Effect = "Allow"
      Action = "ec2:CreateTags"
      Resource = [
        for kind in ["instance", "launch-template", "security-group", "volume"] : "${local.ec2}:${kind}/*"
      ]
      Condition = {
        StringEquals = merge(local.to_be, {
          "ec2:CreateAction" = ["CreateLaunchTemplate", "CreateSecurityGroup", "RunInstances"]
        })
      }
    },
    {
      Sid    = "UseAndEndOurs"
      Effect = "Allow"
      Action = [
        "ec2:AuthorizeSecurityGroupEgress", "ec2:DeleteLaunchTemplate", "ec2:DeleteSecurityGroup", "ec2:DeleteVolume",
        "ec2:DescribeInstanceAttribute", "ec2:ModifyInstanceAttribute", "ec2:MonitorInstances",
        "ec2:RevokeSecurityGroupEgress", "ec2:StartInstances", "ec2:StopInstances", "ec2:TerminateInstances",
      ]
      Resource = [
        for kind in ["instance", "launch-template", "security-group", "volume"] : "${local.ec2}:${kind}/*"
      ]
      Condition = local.ours
    },
    {
      Sid       = "StartWithOurs"
      Effect    = "Allow"
      Action    = "ec2:RunInstances"
      Resource  = ["${local.ec2}:launch-template/*", "${local.ec2}:security-group/*"]
      Condition = local.ours
    },
    {
      Sid       = "MakeGroups"
      Effect    = "Allow"
      Action    = "autoscaling:CreateAutoScalingGroup"
      Resource  = local.groups
      Condition = { StringEquals = local.to_be }
    },
    {
      Sid    = "ChangeAndEndOurGroups"
      Effect = "Allow"
      Action = [
        "autoscaling:DeleteAutoScalingGroup", "autoscaling:DeleteScheduledAction",
        "autoscaling:PutScheduledUpdateGroupAction", "autoscaling:SuspendProcesses", "autoscaling:UpdateAutoScalingGroup",
      ]
      Resource  = local.groups
      Condition = local.ours
    },
  ]

  roles = [
    {
      Sid       = "MakeRoles"
      Effect    = "Allow"
      Action    = "iam:CreateRole"
      Resource  = "${local.iam}:role/${local.name}"
      Condition = { StringEquals = merge(local.to_be, local.bounded) }
    },
    {
      Sid       = "TagRoles"
      Effect    = "Allow"
      Action    = "iam:TagRole"
      Resource  = "${local.iam}:role/${local.name}"
      Condition = { StringEquals = local.to_be }
    },
    {
      # The boundary is the owner's own, so that it tells whose role it is, too.
      Sid       = "GiveRolesWhatTheBoundaryAllows"
      Effect    = "Allow"
      Action    = ["iam:DeleteRolePolicy", "iam:PutRolePolicy"]
      Resource  = "${local.iam}:role/${local.name}"
      Condition = { StringEquals = local.bounded }
    },
    {
      Sid       = "EndOurRoles"
      Effect    = "Allow"
      Action    = "iam:DeleteRole"
      Resource  = "${local.iam}:role/${local.name}"
      Condition = local.ours
    },
    {
      # Profiles go by their names alone: older providers give them no tags.
      Sid    = "LookAtRolesAndKeepProfiles"
      Effect = "Allow"
      Action = [
        "iam:AddRoleToInstanceProfile", "iam:CreateInstanceProfile", "iam:DeleteInstanceProfile",
        "iam:GetInstanceProfile", "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies",
        "iam:ListInstanceProfilesForRole", "iam:ListRolePolicies", "iam:ListRoleTags",
        "iam:RemoveRoleFromInstanceProfile",
      ]
      Resource = ["${local.iam}:instance-profile/${local.name}", "${local.iam}:role/${local.name}"]
    },
    {
      Sid      = "FindRoles"
      Effect   = "Allow"
      Action   = "iam:ListRoles"
      Resource = "*"
    },
    {
      # Not by its tag: AWS says that such a condition does not hold for PassRole.
      Sid       = "GiveRolesToMachines"
      Effect    = "Allow"
      Action    = "iam:PassRole"
      Resource  = "${local.iam}:role/${local.name}"
      Condition = { StringEquals = { "iam:PassedToService" = "ec2.${var.dns_suffix}" } }
    },
    {
      Sid      = "LetAwsMakeItsOwnRoles"
      Effect   = "Allow"
      Action   = "iam:CreateServiceLinkedRole"
      Resource = [for service in ["autoscaling", "spot"] : "${local.iam}:role/aws-service-role/${service}.amazonaws.com/*"]
      Condition = {
        StringEquals = { "iam:AWSServiceName" = ["autoscaling.amazonaws.com", "spot.amazonaws.com"] }
      }
    },
  ]

  remote = [
    {
      Sid       = "ListTheRemote"
      Effect    = "Allow"
      Action    = "s3:ListBucket"
      Resource  = local.artifacts
      Condition = { StringLike = { "s3:prefix" = [var.remote_prefix, "${var.remote_prefix}/*"] } }
    },
    {
      Sid      = "UseTheRemote"
      Effect   = "Allow"
      Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
      Resource = "${local.artifacts}/${var.remote_prefix}/*"
    },
  ]

  buckets = concat(local.remote, [
    {
      Sid      = "ListTheStates"
      Effect   = "Allow"
      Action   = "s3:ListBucket"
      Resource = local.states
      # Terraform asks for its workspaces (env:/) before anything else, though there are none.
      Condition = { StringLike = { "s3:prefix" = ["env:/", "${var.state_prefix}/${var.owner}/*"] } }
    },
    {
      Sid      = "KeepTheStates"
      Effect   = "Allow"
      Action   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
      Resource = "${local.states}/${var.state_prefix}/${var.owner}/*"
    },
  ])

  key = var.kms_key_arn == null ? [] : [
    {
      Sid      = "UseTheKeyThroughS3AndParameters"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = var.kms_key_arn
      Condition = {
        StringEquals = { "kms:ViaService" = [for name in ["s3", "ssm"] : "${name}.${var.region}.${var.dns_suffix}"] }
      }
    },
  ]

  boundary = [
    {
      Sid      = "ReadParameters"
      Effect   = "Allow"
      Action   = "ssm:GetParameter"
      Resource = "arn:${var.partition}:ssm:${local.here}:parameter/${var.parameter_prefix}/*"
    },
    {
      Sid       = "EndOurMachines"
      Effect    = "Allow"
      Action    = "autoscaling:TerminateInstanceInAutoScalingGroup"
      Resource  = local.groups
      Condition = local.ours
    },
  ]
}
