output "instance_ids" {
  description = "The machines that are there; none in mode group if capacity_minutes is 0."
  value       = module.gpu_runner.instance_ids
}

output "private_ips" {
  description = "Their addresses within the network, in the order that a training's nodes are counted in."
  value       = module.gpu_runner.private_ips
}

output "group_name" {
  description = "The autoscaling group; null in mode instance."
  value       = module.gpu_runner.group_name
}

output "launch_template_id" {
  description = "The launch template; null in mode instance."
  value       = module.gpu_runner.launch_template_id
}

output "security_group_id" {
  description = "The security group that lets nothing in."
  value       = module.gpu_runner.security_group_id
}

output "policy" {
  description = "What the machines may do, as a policy document."
  value       = module.gpu_runner.policy
}

output "worker_script" {
  description = "The unprivileged script that a machine runs."
  value       = module.gpu_runner.worker_script
}

output "root_script" {
  description = "The script that a machine runs once as root."
  value       = module.gpu_runner.root_script
}

output "watchdog_script" {
  description = "The script that ends the machine."
  value       = module.gpu_runner.watchdog_script
}

output "tags" {
  description = "The tags by which the machines and their disks are found."
  value       = module.gpu_runner.tags
}

output "pool" {
  description = "The work pool that the machines serve."
  value       = module.gpu_runner.pool
}
