# For python:3.13-slim-trixie.
ARG FROM
FROM ${FROM}
RUN apt-get update && apt-get install -y python3 python3-venv python-is-python3 && rm -rf /var/lib/apt/lists/*
CMD ["python3"]
