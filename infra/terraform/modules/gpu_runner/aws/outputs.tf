output "instance_ids" {
  description = "The machines that are there; none in mode group if capacity_minutes is 0."
  value       = local.in_group ? sort(flatten(data.aws_instances.group[*].ids)) : aws_instance.machine[*].id
}

output "private_ips" {
  description = "Their addresses within the network, in the order that a training's nodes are counted in."
  value       = local.in_group ? sort(flatten(data.aws_instances.group[*].private_ips)) : aws_instance.machine[*].private_ip
}

output "group_name" {
  description = "The autoscaling group; null in mode instance."
  value       = one(aws_autoscaling_group.machine[*].name)
}

output "launch_template_id" {
  description = "The launch template; null in mode instance."
  value       = one(aws_launch_template.machine[*].id)
}

output "security_group_id" {
  description = "The security group that lets nothing in."
  value       = aws_security_group.machine.id
}

output "policy" {
  description = "What the machines may do, as a policy document."
  value       = aws_iam_role_policy.machine.policy
}

output "worker_script" {
  description = "The unprivileged script that a machine runs."
  value       = module.machine.worker_script
}

output "root_script" {
  description = "The script that a machine runs once as root."
  value       = module.machine.root_script
}

output "watchdog_script" {
  description = "The script that ends the machine."
  value       = module.machine.watchdog_script
}

output "tags" {
  description = "The tags by which the machines and their disks are found."
  value       = local.tags
}

output "pool" {
  description = "The work pool that the machines serve."
  value       = var.pool
}
