# A new machine: Python, make and git, no compiler; the user is not root.
ARG FROM
FROM ${FROM}
RUN apt-get update && apt-get install -y python3 python3-venv make git ca-certificates && rm -rf /var/lib/apt/lists/* \
    && ! command -v cc && ! command -v gcc \
    && useradd --create-home newcomer
USER newcomer
WORKDIR /home/newcomer
CMD ["bash"]
