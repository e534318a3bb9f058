# For nginxinc/nginx-unprivileged: the user 101, configuration in /etc/nginx, wget for the health check.
ARG FROM
FROM ${FROM}
RUN groupadd --gid 101 nginx && useradd --uid 101 --gid 101 --no-create-home --shell /usr/sbin/nologin nginx \
    && apt-get update && apt-get install -y nginx-light wget && rm -rf /var/lib/apt/lists/* \
    && rm -rf /etc/nginx/sites-enabled /etc/nginx/modules-enabled && install -d -o 101 -g 101 /var/cache/nginx \
    && ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log
USER 101
EXPOSE 8080
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
