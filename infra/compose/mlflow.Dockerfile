# MLflow as judgeforge is tested with it. Build from the repository's root: `docker compose build` in infra/compose does.
FROM python:3.11.14-slim-bookworm
COPY constraints.txt /constraints.txt
RUN pip install --no-cache-dir --constraint /constraints.txt mlflow psycopg2-binary boto3 \
    && useradd --home-dir /srv/mlflow --create-home mlflow
USER mlflow
WORKDIR /srv/mlflow
EXPOSE 5000
ENTRYPOINT ["mlflow", "server", "--host", "0.0.0.0", "--port", "5000", "--serve-artifacts"]
