# The values' ranges are checked by the module, whose variables these are.

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

variable "subnet_ids" {
  description = "Subnets of that network, one for each zone in which a machine may stand; they need a way to the Internet. Mode instance takes the first."
  type        = list(string)
}

variable "image_id" {
  description = "An image with NVIDIA's driver and Python 3.11 or 3.12: Ubuntu 24.04 or Debian 12."
  type        = string
}

variable "image_owners" {
  description = "Whose images are taken; Canonical's account is the number."
  type        = list(string)
  default     = ["self", "amazon", "099720109477"]
}

variable "mode" {
  description = "group: an autoscaling group, several types, spot or not. instance: one machine on demand, of the first type, in the first subnet."
  type        = string
  default     = "group"
}

variable "machine_types" {
  description = "Instance types, the preferred first."
  type        = list(string)
}

variable "machines" {
  description = "How many machines."
  type        = number
  default     = 1
}

variable "spot" {
  description = "Whether to take machines that AWS may take back, at their lower price. Only in mode group."
  type        = bool
  default     = true
}

variable "capacity_minutes" {
  description = "How long to wait for AWS to provide the machines of the group before giving up; 0: not at all, whoever applies looks for them."
  type        = number
  default     = 5
}

variable "disk_gib" {
  description = "Size of the encrypted disk of each machine, in GiB."
  type        = number
}

variable "disk_kms_key_id" {
  description = "ARN of the key that encrypts the disks; null: the account's own for EBS."
  type        = string
  default     = null
}

variable "egress_ports" {
  description = "Ports that the machines may reach. 443 serves AWS, git and Python packages; add 80 for Ubuntu's, and those of Prefect and MLflow where they differ."
  type        = list(number)
  default     = [443]
}

variable "egress_cidrs" {
  description = "Addresses that the machines may reach on those ports."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "extra_security_group_ids" {
  description = "Security groups besides the machines' own, such as one through which the nodes of a training reach each other."
  type        = list(string)
  default     = []
}

variable "placement_group" {
  description = "Name of a placement group; null: none."
  type        = string
  default     = null
}

variable "remote_url" {
  description = "DVC's remote, s3://bucket/prefix. The machines' role reaches nothing else in S3."
  type        = string
}

variable "kms_key_arns" {
  description = "Keys of your own with which the bucket and the parameters are encrypted; AWS's own keys need none."
  type        = list(string)
  default     = []
}

variable "permissions_boundary" {
  description = "ARN of a policy that the machines' role cannot exceed, whatever it is given (state/ makes one); null: none."
  type        = string
  default     = null
}

variable "pool" {
  description = "Prefect work pool, of type process, that the machine's worker serves."
  type        = string
}

variable "prefect_api_url" {
  description = "Address of the Prefect API as the machine reaches it, such as https://prefect.example.org/api."
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

variable "extras" {
  description = "Extras of the project that the worker needs, as in pyproject.toml."
  type        = list(string)
}

variable "setup_targets" {
  description = "Targets of the project's Makefile that make the environment, in their order: setup, and setup-vllm where a stage judges by vLLM."
  type        = list(string)
  default     = ["setup"]
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

variable "idle_minutes" {
  description = "The machine ends itself when no flow run ran for so many minutes."
  type        = number
}

variable "max_life_minutes" {
  description = "The machine ends itself so many minutes after it was started, whatever it does."
  type        = number
}

variable "checkpoint_grace_s" {
  description = "Seconds that a stage gets to seal its checkpoint and push it, once the machine has to go. Spot leaves 120 in all."
  type        = number
  default     = 90
}
