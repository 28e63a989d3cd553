"""Make the buckets that are named, where they are not there yet. Address and keys come from boto3's own variables."""

import sys

import boto3

client = boto3.client("s3")
present = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
for name in sys.argv[1:]:
    if name not in present:
        client.create_bucket(Bucket=name)
