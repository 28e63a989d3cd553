"""A judge as a service: FastAPI before a queue, a worker process with the weights behind it (docs/serving.md)."""
