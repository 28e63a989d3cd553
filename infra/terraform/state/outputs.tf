output "backend" {
  description = "What the runner's 'terraform init' takes by -backend-config, besides the key."
  value       = { bucket = aws_s3_bucket.this["states"].id, region = var.region }
}

output "remote_url" {
  description = "What the runner takes as remote_url."
  value       = "s3://${aws_s3_bucket.this["artifacts"].id}/${var.remote_prefix}"
}
