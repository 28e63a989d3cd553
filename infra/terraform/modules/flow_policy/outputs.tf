output "flow" {
  description = "What the host of the flows may do, as policy documents: one would be longer than AWS takes (6144 characters)."
  value = {
    for name, statements in { machines = local.machines, roles-and-buckets = concat(local.roles, local.buckets, local.key) } :
    name => jsonencode({ Version = "2012-10-17", Statement = statements })
  }
}

output "machine_boundary" {
  description = "What no role of a machine may exceed, as a policy document."
  value       = jsonencode({ Version = "2012-10-17", Statement = concat(local.boundary, local.remote, local.key) })
}
