output "backend" {
  description = "What the runner's 'terraform init' takes by -backend-config, besides the key."
  value       = { bucket = aws_s3_bucket.this["states"].id, region = var.region }
}

output "remote_url" {
  description = "What the runner takes as remote_url."
  value       = "s3://${aws_s3_bucket.this["artifacts"].id}/${var.remote_prefix}"
}

output "flow_policy_arns" {
  description = "The policies for the host of the flows: attach all to the host's role or user."
  value       = [for policy in aws_iam_policy.flow : policy.arn]
}

output "permissions_boundary" {
  description = "What the runner takes as permissions_boundary, and the site's file too: the flow's policy lets it make no role without."
  value       = aws_iam_policy.boundary.arn
}
