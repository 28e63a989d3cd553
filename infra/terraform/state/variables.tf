variable "region" {
  description = "The AWS region, such as eu-central-1."
  type        = string
}

variable "owner" {
  description = "Which installation of judgeforge the buckets belong to, as in the runner and the site's file."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}[a-z0-9]$", var.owner))
    error_message = "owner must be a name of small letters, digits and hyphens, as in the site's file."
  }
}

variable "states_bucket" {
  description = "Name of the bucket for Terraform's states; unique in all of AWS."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.states_bucket))
    error_message = "states_bucket must be a bucket's name: from 3 to 63 small letters, digits and hyphens."
  }
}

variable "artifacts_bucket" {
  description = "Name of the bucket that is DVC's remote; unique in all of AWS."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.artifacts_bucket)) && var.artifacts_bucket != var.states_bucket
    error_message = "artifacts_bucket must be a bucket's name, and another than states_bucket: machines may write to it."
  }
}

variable "keep_days" {
  description = "How many days a version of an artifact stays after it was overwritten or deleted."
  type        = number
  default     = 30
  validation {
    condition     = var.keep_days >= 1
    error_message = "keep_days must be 1 or more."
  }
}

variable "kms_key_arn" {
  description = "ARN of your own key for both buckets; null: AWS's own for S3. The runner needs it, too: kms_key_arns."
  type        = string
  default     = null
}

variable "remote_prefix" {
  description = "The prefix in the artifacts' bucket that is DVC's remote."
  type        = string
  default     = "judgeforge"
  validation {
    condition     = can(regex("^[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*$", var.remote_prefix))
    error_message = "remote_prefix must be a prefix such as team/judgeforge, with no slash at either end."
  }
}

variable "progress_days" {
  description = "How many days checkpoints of stages at work stay below remote_prefix/progress/ after they were written."
  type        = number
  default     = 14
  validation {
    condition     = var.progress_days >= 1
    error_message = "progress_days must be 1 or more."
  }
}

variable "state_prefix" {
  description = "Below which keys of the states' bucket the flow keeps its states, as in the site's file."
  type        = string
  default     = "judgeforge/machines"
  validation {
    condition     = can(regex("^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$", var.state_prefix))
    error_message = "state_prefix must be a prefix such as judgeforge/machines, with no slash at either end."
  }
}

variable "parameter_prefix" {
  description = "Below which names of the Parameter Store the machines' secrets lie: judgeforge for /judgeforge/prefect."
  type        = string
  default     = "judgeforge"
  validation {
    condition     = can(regex("^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$", var.parameter_prefix))
    error_message = "parameter_prefix must be a prefix such as judgeforge, with no slash at either end."
  }
}
