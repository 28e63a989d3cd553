# Once for each account: the bucket for Terraform's states, the bucket that is DVC's remote, and what the host of the flows may
# do (policy.tf). Applied by a person, whose own state of these stays in a file (or is moved into the bucket afterwards: terraform init -migrate-state).

terraform {
  required_version = ">= 1.11.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0.0, < 7.0.0"
    }
  }
}

provider "aws" {
  region = var.region
}

locals {
  buckets = {
    states    = { name = var.states_bucket, keep_days = 90, progress = [] }
    artifacts = { name = var.artifacts_bucket, keep_days = var.keep_days, progress = ["${var.remote_prefix}/progress/"] }
  }
  tags = { "judgeforge:owner" = var.owner }
}

resource "aws_s3_bucket" "this" {
  # checkov:skip=CKV_AWS_18:who read what is a matter of the account's own trail (CloudTrail data events), not of this root
  # checkov:skip=CKV_AWS_144:weights can be computed again from what git and DVC know; a second region doubles their cost
  # checkov:skip=CKV2_AWS_62:nothing waits for events of these buckets
  for_each = local.buckets
  bucket   = each.value.name
  tags     = local.tags

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each                = local.buckets
  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id
  rule {
    id     = "old-versions-and-broken-uploads"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = each.value.keep_days
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
    expiration {
      expired_object_delete_marker = true
    }
  }
  # Checkpoints of stages at work: of use until the stage is done, and large.
  dynamic "rule" {
    for_each = each.value.progress
    content {
      id     = "progress"
      status = "Enabled"
      filter {
        prefix = rule.value
      }
      expiration {
        days = var.progress_days
      }
      noncurrent_version_expiration {
        noncurrent_days = 1
      }
    }
  }
  depends_on = [aws_s3_bucket_versioning.this] # there are no old versions before
}

data "aws_iam_policy_document" "encrypted_transport" {
  for_each = local.buckets
  statement {
    sid       = "RefusePlainHttp"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this[each.key].arn, "${aws_s3_bucket.this[each.key].arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each   = local.buckets
  bucket     = aws_s3_bucket.this[each.key].id
  policy     = data.aws_iam_policy_document.encrypted_transport[each.key].json
  depends_on = [aws_s3_bucket_public_access_block.this]
}
