variable "owner" {
  description = "Which installation of judgeforge the machines belong to: one Prefect server is one owner. The reaper goes by it."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", var.owner))
    error_message = "owner must be a name of letters, digits, dots, hyphens and underscores."
  }
}

variable "run" {
  description = "The flow run that the machines are for: its id."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]{3,63}$", var.run))
    error_message = "run must be a flow run's id: letters, digits and hyphens, at least four."
  }
}

variable "expires" {
  description = "When whoever finds a machine may end it, by RFC 3339 in UTC (2026-01-31T23:00:00Z). AWS itself then empties the group."
  type        = string
  validation {
    condition     = can(regex("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$", var.expires)) && can(formatdate("YYYY", var.expires))
    error_message = "expires must be a time in UTC such as 2026-01-31T23:00:00Z."
  }
}

variable "region" {
  description = "The AWS region, such as eu-central-1."
  type        = string
  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-\\d$", var.region))
    error_message = "region must be an AWS region such as eu-central-1."
  }
}

variable "vpc_id" {
  description = "The network that the machines stand in."
  type        = string
  validation {
    condition     = can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "vpc_id must be the id of a VPC: vpc-..."
  }
}

variable "subnet_ids" {
  description = "Subnets of that network, one for each zone in which a machine may stand; they need a way to the Internet. Mode instance takes the first."
  type        = list(string)
  validation {
    condition     = length(var.subnet_ids) > 0 && alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "subnet_ids must name at least one subnet: subnet-..."
  }
}

variable "image_id" {
  description = "An image with NVIDIA's driver and Python 3.11 or 3.12: Ubuntu 24.04 or Debian 12."
  type        = string
  validation {
    condition     = can(regex("^ami-[0-9a-f]+$", var.image_id))
    error_message = "image_id must be the id of an image: ami-..."
  }
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
  validation {
    condition     = contains(["group", "instance"], var.mode)
    error_message = "mode must be group or instance."
  }
}

variable "machine_types" {
  description = "Instance types, the preferred first."
  type        = list(string)
  validation {
    condition     = length(var.machine_types) > 0 && length(var.machine_types) <= 40 && alltrue([for type in var.machine_types : can(regex("^[a-z0-9-]+\\.[a-z0-9-]+$", type))])
    error_message = "machine_types must name from 1 to 40 instance types such as g6.xlarge."
  }
}

variable "machines" {
  description = "How many machines."
  type        = number
  default     = 1
  validation {
    condition     = var.machines >= 0 && var.machines <= 64 && floor(var.machines) == var.machines
    error_message = "machines must be a whole number from 0 to 64."
  }
  validation {
    condition     = var.mode == "group" || var.machines == 1
    error_message = "mode instance is one machine: set machines to 1, or mode to group."
  }
}

variable "spot" {
  description = "Whether to take machines that AWS may take back, at their lower price. Only in mode group."
  type        = bool
  default     = true
  validation {
    condition     = var.mode == "group" || !var.spot
    error_message = "mode instance is on demand: set spot to false, or mode to group."
  }
}

variable "capacity_minutes" {
  description = "How long to wait for AWS to provide the machines of the group before giving up; 0: not at all, whoever applies looks for them."
  type        = number
  default     = 5
  validation {
    condition     = var.capacity_minutes >= 0 && var.capacity_minutes <= 60
    error_message = "capacity_minutes must be from 0 to 60."
  }
}

variable "disk_gib" {
  description = "Size of the encrypted disk of each machine, in GiB."
  type        = number
  validation {
    condition     = var.disk_gib >= 8 && var.disk_gib <= 16384
    error_message = "disk_gib must be from 8 to 16384."
  }
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
  validation {
    condition     = length(var.egress_ports) > 0 && alltrue([for port in var.egress_ports : port >= 1 && port <= 65535])
    error_message = "egress_ports must hold ports from 1 to 65535."
  }
}

variable "egress_cidrs" {
  description = "Addresses that the machines may reach on those ports."
  type        = list(string)
  default     = ["0.0.0.0/0"]
  validation {
    condition     = length(var.egress_cidrs) > 0 && alltrue([for block in var.egress_cidrs : can(cidrhost(block, 0))])
    error_message = "egress_cidrs must hold blocks of addresses such as 10.0.0.0/8."
  }
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
  validation {
    condition     = can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_.=-]+)+$", var.remote_url))
    error_message = "remote_url must be s3://bucket/prefix, with a prefix and no slash at the end."
  }
}

variable "kms_key_arns" {
  description = "Keys of your own with which the bucket and the parameters are encrypted; AWS's own keys need none."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for arn in var.kms_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:\\d{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "kms_key_arns must hold ARNs of keys: arn:aws:kms:region:account:key/..."
  }
}

variable "permissions_boundary" {
  description = "ARN of a policy that the machines' role cannot exceed, whatever it is given (state/ makes one); null: none."
  type        = string
  default     = null
  validation {
    condition     = var.permissions_boundary == null || can(regex("^arn:[a-z-]+:iam::\\d{12}:policy/.+$", var.permissions_boundary))
    error_message = "permissions_boundary must be the ARN of a policy: arn:aws:iam::account:policy/..."
  }
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
