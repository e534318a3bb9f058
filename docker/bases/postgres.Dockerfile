# For postgres:17-alpine: the user 70, its folders, and an entrypoint that makes the database at the first start.
ARG FROM
FROM ${FROM}
RUN groupadd --gid 70 postgres && useradd --uid 70 --gid 70 --no-create-home --home-dir /var/lib/postgresql postgres \
    && mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf \
    && apt-get update && apt-get install -y postgresql-17 && rm -rf /var/lib/apt/lists/* \
    && ln -s /usr/lib/postgresql/17/bin/* /usr/local/bin/ \
    && sed -i "s/^#*listen_addresses = .*/listen_addresses = '*'/" /usr/share/postgresql/17/postgresql.conf.sample \
    && install -d -o 70 -g 70 -m 1777 /var/lib/postgresql/data && install -d -o 70 -g 70 -m 3777 /var/run/postgresql
COPY postgres-entrypoint /usr/local/bin/
ENV PGDATA=/var/lib/postgresql/data LANG=C.UTF-8
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["postgres-entrypoint"]
CMD ["postgres"]
