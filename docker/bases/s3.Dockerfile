# For versity/versitygw: a command of that name that takes the same arguments, over moto's S3 server.
ARG FROM
FROM ${FROM}
COPY s3-server.txt /
RUN apt-get update && apt-get install -y python3 python3-venv wget && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/s3 && /opt/s3/bin/pip install --quiet --require-hashes -r /s3-server.txt
COPY versitygw /usr/local/bin/
CMD ["versitygw"]
