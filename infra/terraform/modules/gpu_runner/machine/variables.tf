variable "pool" {
  description = "Prefect work pool, of type process, that the machine's worker serves."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", var.pool))
    error_message = "pool must be a name of letters, digits, dots, hyphens and underscores."
  }
}

variable "prefect_api_url" {
  description = "Address of the Prefect API as the machine reaches it, such as https://prefect.example.org/api."
  type        = string
  validation {
    condition     = can(regex("^https?://[^\\s@/]+(/[^\\s]*)?$", var.prefect_api_url))
    error_message = "prefect_api_url must be http(s)://host[:port]/api, without a user or password (those are secrets)."
  }
}

variable "repository_url" {
  description = "Where the project is cloned from. A private one by https needs a secret named GIT_TOKEN."
  type        = string
  validation {
    condition     = can(regex("^(https?|ssh|file)://[^\\s]+$", var.repository_url)) && !can(regex("://[^/\\s]*:[^/\\s]*@", var.repository_url))
    error_message = "repository_url must be an address such as https://host/name.git, without a password (use the secret GIT_TOKEN)."
  }
}

variable "commit" {
  description = "The commit that the machine runs: its full 40 digits."
  type        = string
  validation {
    condition     = can(regex("^[0-9a-f]{40}$", var.commit))
    error_message = "commit must be a full commit: 40 digits, as 'git rev-parse HEAD' prints it."
  }
}

variable "extras" {
  description = "Extras of the project that the worker needs, as in pyproject.toml."
  type        = list(string)
  validation {
    condition     = length(var.extras) > 0 && alltrue([for extra in var.extras : can(regex("^[a-z][a-z0-9-]*$", extra))])
    error_message = "extras must name at least one extra, in small letters."
  }
}

variable "setup_targets" {
  description = "Targets of the project's Makefile that make the environment, in their order: setup, and setup-vllm where a stage judges by vLLM."
  type        = list(string)
  default     = ["setup"]
  validation {
    condition     = contains([tolist(["setup"]), tolist(["setup", "setup-vllm"])], var.setup_targets)
    error_message = "setup_targets must be [\"setup\"] or [\"setup\", \"setup-vllm\"]."
  }
}

variable "remote_url" {
  description = "DVC's remote, through which inputs, results and checkpoints travel."
  type        = string
}

variable "environment" {
  description = "Variables for the worker that are no secrets, such as MLFLOW_TRACKING_URI: they stand in the state and in user data."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name))])
    error_message = "environment must have names of variables as keys."
  }
  validation {
    condition     = !anytrue([for name in keys(var.environment) : can(regex("(?i)(password|secret|token$|api_?key|access_key|auth_string)", name))])
    error_message = "environment has the name of a secret: put the value into the parameter store, and its name into secrets."
  }
}

variable "secrets" {
  description = "Names of variables, each with the name under which the provider's store keeps its value. The machine fetches them."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for name, place in var.secrets : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name)) && can(regex("^[A-Za-z0-9_./-]+$", place))])
    error_message = "secrets must map names of variables to names of parameters (letters, digits, and _ . / -)."
  }
}

variable "idle_minutes" {
  description = "The machine ends itself when no flow run ran for so many minutes."
  type        = number
  validation {
    condition     = var.idle_minutes >= 1 && var.idle_minutes <= 1440
    error_message = "idle_minutes must be from 1 to 1440."
  }
}

variable "max_life_minutes" {
  description = "The machine ends itself so many minutes after it was started, whatever it does."
  type        = number
  validation {
    condition     = var.max_life_minutes >= 5 && var.max_life_minutes <= 14400
    error_message = "max_life_minutes must be from 5 to 14400 (ten days)."
  }
}

variable "checkpoint_grace_s" {
  description = "Seconds that a stage gets to seal its checkpoint and push it, once the machine has to go. Spot leaves 120 in all."
  type        = number
  default     = 90
  validation {
    condition     = var.checkpoint_grace_s >= 1 && var.checkpoint_grace_s <= 110
    error_message = "checkpoint_grace_s must be from 1 to 110: a spot machine is gone 120 seconds after its notice."
  }
}

variable "provider_functions" {
  description = "Bash that defines what only the provider knows: machine_id, machine_reclaimed, machine_secret NAME, machine_end REASON."
  type        = string
}

variable "packages" {
  description = "Debian packages that provider_functions need."
  type        = list(string)
  default     = []
}
