# Mode instance: one machine on demand, which ends for good when it powers off.

resource "aws_instance" "machine" {
  count                                = local.in_group ? 0 : 1
  ami                                  = data.aws_ami.image.id
  instance_type                        = var.machine_types[0]
  subnet_id                            = var.subnet_ids[0]
  vpc_security_group_ids               = concat([aws_security_group.machine.id], var.extra_security_group_ids)
  iam_instance_profile                 = aws_iam_instance_profile.machine.name
  placement_group                      = var.placement_group
  ebs_optimized                        = true
  monitoring                           = true
  instance_initiated_shutdown_behavior = "terminate"
  user_data_base64                     = base64encode(module.machine.user_data)
  tags                                 = local.tags
  volume_tags                          = local.tags # with the machine: a disk is never there without them

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  root_block_device {
    volume_type           = "gp3"
    volume_size           = var.disk_gib
    encrypted             = true
    kms_key_id            = var.disk_kms_key_id
    delete_on_termination = true
  }
}
