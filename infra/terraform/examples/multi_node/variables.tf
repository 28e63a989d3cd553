variable "nodes" {
  description = "How many machines the training spans: train.distribution.nodes."
  type        = number
  default     = 2
  validation {
    condition     = var.nodes >= 2
    error_message = "nodes must be 2 or more: one machine needs no example."
  }
}

variable "machine_type" {
  description = "The instance type of all nodes."
  type        = string
  default     = "p5.48xlarge"
}

variable "subnet_id" {
  description = "The one subnet, and so the one zone, that all nodes stand in."
  type        = string
}

variable "owner" {
  description = "Which installation of judgeforge the machines belong to: one Prefect server is one owner. The reaper goes by it."
  type        = string
}

variable "run" {
  description = "The flow run that the machines are for: its id."
  type        = string
}

variable "expires" {
  description = "When whoever finds a machine may end it, by RFC 3339 in UTC (2026-01-31T23:00:00Z). AWS itself then empties the group."
  type        = string
}

variable "region" {
  description = "The AWS region, such as eu-central-1."
  type        = string
}

variable "vpc_id" {
  description = "The network that the machines stand in."
  type        = string
}

variable "image_id" {
  description = "An image with NVIDIA's driver and Python 3.11 or 3.12: Ubuntu 24.04 or Debian 12."
  type        = string
}

variable "extra_security_group_ids" {
  description = "Security groups besides the machines' own, such as one through which the nodes of a training reach each other."
  type        = list(string)
  default     = []
}

variable "remote_url" {
  description = "DVC's remote, s3://bucket/prefix. The machines' role reaches nothing else in S3."
  type        = string
}

variable "repository_url" {
  description = "Where the project is cloned from. A private one by https needs a secret named GIT_TOKEN."
  type        = string
}

variable "commit" {
  description = "The commit that the machine runs: its full 40 digits."
  type        = string
}

variable "pool" {
  description = "Prefect work pool, of type process, that the machine's worker serves."
  type        = string
}

variable "prefect_api_url" {
  description = "Address of the Prefect API as the machine reaches it, such as https://prefect.example.org/api."
  type        = string
}

variable "environment" {
  description = "Variables for the worker that are no secrets, such as MLFLOW_TRACKING_URI: they stand in the state and in user data."
  type        = map(string)
  default     = {}
}

variable "secrets" {
  description = "Names of variables, each with the name under which the provider's store keeps its value. The machine fetches them."
  type        = map(string)
  default     = {}
}
