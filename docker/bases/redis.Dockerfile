# For redis: the user 999:1000, whose folder is /data.
ARG FROM
FROM ${FROM}
RUN groupadd --gid 1000 redis && useradd --uid 999 --gid 1000 --no-create-home --home-dir /data redis \
    && apt-get update && apt-get install -y redis-server && rm -rf /var/lib/apt/lists/* \
    && install -d -o redis -g redis /data
VOLUME /data
WORKDIR /data
USER redis
EXPOSE 6379
CMD ["redis-server"]
