variable "partition" {
  description = "The AWS partition, such as aws."
  type        = string
  default     = "aws"
}

variable "dns_suffix" {
  description = "What names of AWS's services end in within that partition."
  type        = string
  default     = "amazonaws.com"
}

variable "account" {
  description = "The account's number."
  type        = string
}

variable "region" {
  description = "The AWS region of machines and parameters, such as eu-central-1."
  type        = string
}

variable "owner" {
  description = "Whose things may be touched: the value of the tag judgeforge:owner, as in the site's file."
  type        = string
}

variable "states_bucket" {
  description = "The bucket that holds Terraform's states."
  type        = string
}

variable "state_prefix" {
  description = "Below which keys of that bucket, as in the site's file."
  type        = string
  default     = "judgeforge/machines"
}

variable "artifacts_bucket" {
  description = "The bucket that is DVC's remote."
  type        = string
}

variable "remote_prefix" {
  description = "Below which keys of that bucket."
  type        = string
}

variable "parameter_prefix" {
  description = "Below which names of the Parameter Store the machines' secrets lie, without slashes at its ends."
  type        = string
}

variable "kms_key_arn" {
  description = "ARN of your own key for buckets and parameters; null: AWS's own."
  type        = string
  default     = null
}

variable "machine_boundary_arn" {
  description = "ARN of the policy that machine_boundary becomes: the flow's host may make roles within it, and no others."
  type        = string
}
