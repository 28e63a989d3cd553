output "hosts" {
  description = "What JUDGEFORGE_HOSTS is to be on every node: their addresses, the first is where they meet."
  value       = join(",", module.gpu_runner.private_ips)
}

output "instance_ids" {
  description = "The nodes."
  value       = module.gpu_runner.instance_ids
}

output "placement_group" {
  description = "The placement group in which the nodes stand side by side."
  value       = aws_placement_group.nodes.name
}

output "node_security_group_id" {
  description = "The security group by which the nodes reach each other."
  value       = aws_security_group.nodes.id
}
