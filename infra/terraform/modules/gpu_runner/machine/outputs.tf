output "user_data" {
  description = "The document for cloud-init, as text."
  value       = local.user_data
  precondition {
    condition     = length(local.user_data) <= 16384
    error_message = "The machine's user data is longer than 16 KiB, which is the most that EC2 takes: shorten environment."
  }
}

output "worker_script" {
  description = "The unprivileged script: the project at its commit, then a Prefect worker."
  value       = local.scripts.worker
}

output "root_script" {
  description = "What runs once, as root: packages, scratch disk, user, services."
  value       = local.scripts.root
}

output "watchdog_script" {
  description = "What ends the machine when it is idle, past its life, or about to be taken away."
  value       = local.scripts.watchdog
}
